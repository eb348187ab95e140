"""Meta networks."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import cosine_similarities
from kerasmeta.ops.class_members import class_members
from kerasmeta.ops.log_and_sign import log_and_sign
from kerasmeta.utils import check_can_be_normalized
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number

# Of the authors' code: the logarithm tells gradients above exp(-7) apart.
_LOG_LIMIT = 7.0


@keras.saving.register_keras_serializable(package="kerasmeta")
class MetaNetworks(EmbeddingLearner):
    """Meta networks: gradients become fast weights, kept in a memory.

    Use it where labelled examples should act at once, and without steps of a
    tuned size: networks translate the gradients of support examples into a
    second set of weights. With `f` the backbone and a `LayerNormalization`, and
    all weights without a star, the slow ones, learned over all tasks,

    - `u`, which represents: `r(x) = (Q + Q*) f(x)`. Its fast weights are those
      of the task, `Q* = d(gradients of Q)`, of the crossentropy of a classifier
      `Q' relu(Q f(x))` on the support set, which the LSTM `d` reads in up to
      `steps` parts, one after the other;
    - `b`, which classifies: `h = relu(W f(x)) + relu(W* f(x))` and `logits =
      (V + V*) h`. A memory holds fast weights for each support example, `W*_i
      = m(gradient of W)` and `V*_i = m(gradient of V)`, of its crossentropy at
      the slow weights, and has `r(x_i)` as its index. A query reads from it

      `W* = sum_i softmax_i(cos(r(query), r(x_i)) / temperature) W*_i`, and so
      `V*`.

    `d` and `m` treat all numbers of a gradient alike, each by itself, by its
    logarithm and sign.

    Only these last layers have fast weights, as in the authors' code for
    mini-ImageNet, and `u` and `b` share the layers before them, the backbone: a
    memory for all weights of a deep network would be too large. It holds `S *
    (D + ways) * units` numbers a task, and training `meta_units` times as many
    and more, so end the backbone with a pooling or a narrow layer.

    Three things are not in the paper: it has no temperature, so that no example
    gets much more than its share; embeddings are not normalized; and fast
    weights begin as large as others, not a tenth of it. On Omniglot it had 38 %
    after 1,000 steps without the three, and 97 % after 1,500 with them
    (`docs/results.md`).

    `first_order=True` takes gradients as constants, as the authors' code does.
    `Q'`, which nothing else depends on, then stays as it was drawn.

    Labels are one-hots whose meaning is learned: train with as many ways as
    are needed later. The LSTM makes **predictions depend on the order of the
    support set**, unless `steps=1`. Compile it with
    `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Munkhdalai and Yu, 2017, "Meta Networks", arXiv:1703.00837.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or the most of them.
        units: Number of hidden units of the classifier, and width of `r`.
        meta_units: Number of units of the LSTM `d`, and of each of the two
            hidden layers of `m`.
        steps: Largest number of steps of the LSTM. Each takes the mean gradient
            of as many examples.
        temperature: Positive number, what cosines are divided by.
        first_order: Whether to leave out how gradients depend on slow weights.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings of at least two numbers, or an argument is unsuitable.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.MetaNetworks(backbone, ways=5, units=16)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def __init__(
        self,
        backbone,
        ways,
        units=64,
        meta_units=20,
        steps=5,
        temperature=0.1,
        first_order=False,
        **kwargs,
    ):
        super().__init__(
            backbone, check_positive_int("ways", ways, 2), **kwargs
        )
        self.units = check_positive_int("units", units)
        self.meta_units = check_positive_int("meta_units", meta_units)
        self.steps = check_positive_int("steps", steps)
        self.temperature = check_positive_number("temperature", temperature)
        self.first_order = bool(first_order)
        size = check_can_be_normalized(embedding_size(backbone))
        self.norm = layers.LayerNormalization(
            dtype=self.variable_dtype, name="norm"
        )
        self.norm.build((None, None, size))
        self.key = self._add_slow("key", size, self.units)
        self.key_logits = self._add_slow("key_logits", self.units, self.ways)
        self.key_logits.trainable = not self.first_order
        self.hidden = self._add_slow("hidden", size, self.units)
        self.logits = self._add_slow("logits", self.units, self.ways)
        self._add_generators()

    def _add_slow(self, name, inputs, outputs):
        layer = layers.Dense(
            outputs, use_bias=False, dtype=self.variable_dtype, name=name
        )
        layer.build((None, None, inputs))
        return layer

    def _add_generators(self):
        dtype, units = self.variable_dtype, self.meta_units
        self.gradient_reader = layers.LSTM(
            units, unroll=True, dtype=dtype, name="gradient_reader"
        )
        self.gradient_reader.build((None, self.steps, 2))
        self.key_writer = layers.Dense(1, dtype=dtype, name="key_writer")
        self.key_writer.build((None, units))
        hidden = [layers.Dense(units, "relu", dtype=dtype) for _ in range(2)]
        # Fast weights begin as a small change of the slow ones.
        small = keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform")
        self.weight_writer = keras.Sequential(
            [*hidden, layers.Dense(1, dtype=dtype, kernel_initializer=small)],
            name="weight_writer",
        )
        self.weight_writer.build((None, None, None, None, 2))

    def fit_head(self, embeddings, labels, ways, mask=None):
        is_real = (
            tf.ones(tf.shape(labels), "bool")
            if mask is None
            else tf.cast(mask, "bool")
        )
        embeddings = self.norm(embeddings)
        targets = class_members(labels, ways, dtype=embeddings.dtype)
        key_weights = self._key_weights(embeddings, targets, is_real)
        factors = self._gradients(embeddings, targets, self.hidden, self.logits)
        return {
            "key_weights": key_weights,
            "index": self._keys(embeddings, key_weights),
            "memory": [self._example_weights(*pair) for pair in factors],
            "is_real": is_real,
        }

    def apply_head(self, state, embeddings):
        embeddings = self.norm(embeddings)
        keys = self._keys(embeddings, state["key_weights"])
        cosines = cosine_similarities(keys, state["index"])  # (T, Q, S)
        shares = tf.nn.softmax(
            tf.where(
                state["is_real"][:, None],
                cosines / self.temperature,
                cosines.dtype.min,
            )
        )
        first, last = (
            tf.einsum("tqs,tsio->tqio", shares, fast)
            for fast in state["memory"]
        )
        slow = tf.nn.relu(self.hidden(embeddings))
        hidden = slow + tf.nn.relu(tf.linalg.matvec(first, embeddings, True))
        return self.logits(hidden) + tf.linalg.matvec(last, hidden, True)

    def _keys(self, embeddings, key_weights):
        return self.key(embeddings) + tf.matmul(embeddings, key_weights)

    def _key_weights(self, embeddings, targets, is_real):
        """Return what the LSTM makes of the gradients, `[T, D, units]`."""
        (x, errors), _ = self._gradients(
            embeddings, targets, self.key, self.key_logits
        )
        shares = _shares_of_steps(is_real, self.steps, x.dtype)  # (T, K, S)
        gradients = tf.einsum("tks,tsi,tso->tiok", shares, x, errors)
        happens = tf.reduce_any(shares > 0, axis=-1)[:, None, None]
        happens = tf.broadcast_to(happens, tf.shape(gradients))
        hidden = self.gradient_reader(
            tf.reshape(_preprocessed(gradients), [-1, self.steps, 2]),
            mask=tf.reshape(happens, [-1, self.steps]),
        )
        fast = self.key_writer(hidden)
        return tf.reshape(fast, tf.shape(gradients)[:-1])

    def _example_weights(self, inputs, errors):
        """Return fast weights for each example, `[T, S, inputs, outputs]`."""
        gradients = inputs[..., None] * errors[..., None, :]
        return self.weight_writer(_preprocessed(gradients))[..., 0]

    def _gradients(self, x, targets, first, last):
        """Return the gradients of each example in a network of two layers.

        Those of a layer are outer products of its inputs and of errors, which
        are returned instead.
        """
        hidden = tf.nn.relu(first(x))
        errors = tf.nn.softmax(last(hidden)) - targets
        back = tf.matmul(errors, last.kernel, transpose_b=True)
        back = tf.where(hidden > 0, back, tf.zeros_like(back))
        factors = [(x, back), (hidden, errors)]
        if self.first_order:
            factors = tf.nest.map_structure(tf.stop_gradient, factors)
        return factors

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "meta_units": self.meta_units,
            "steps": self.steps,
            "temperature": self.temperature,
            "first_order": self.first_order,
        }


def _preprocessed(gradients):
    return log_and_sign(gradients, _LOG_LIMIT)


def _shares_of_steps(is_real, steps, dtype):
    """Return how much each example counts at each step, `[T, steps, S]`.

    As many examples a step, in their order; the last steps may have less.
    """
    counts = tf.cast(is_real, "int32")
    total = tf.reduce_sum(counts, axis=1, keepdims=True)
    size = tf.maximum(-(-total // steps), 1)
    step = (tf.cumsum(counts, axis=1) - 1) // size
    members = tf.one_hot(
        tf.where(is_real, step, -1), steps, axis=1, dtype=dtype
    )
    return tf.math.divide_no_nan(
        members, tf.reduce_sum(members, axis=-1, keepdims=True)
    )
