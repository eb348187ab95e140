"""Latent embedding optimization."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.learned_rates import LearnedRates
from kerasmeta.learners.adapted_learner import adapt_learner
from kerasmeta.learners.checks import check_classes
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.inner_loop import run_steps
from kerasmeta.learners.latent_network import LatentNetwork
from kerasmeta.ops.absent_classes import present_classes
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.ops.gaussians import sample_gaussian
from kerasmeta.ops.seeded_noise import seeded_dropout
from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class LEO(GradientLearner):
    """Latent embedding optimization: steps in a small space of classifiers.

    Use it on the features of a good, often frozen, backbone: with few shots
    it is easier to move a short code than a wide head. An encoder and a
    relation network give each class a code, a decoder turns codes into a
    linear softmax classifier of embeddings `e`, and the steps move the codes:

    `z_n ~ N(encode(support))`, `w_n ~ N(decode(z_n))`, `logits_n = w_n . e`

    `z <- z - rate * dL(support; decode(z))/dz`, `inner_steps` times, then

    `w <- w - rate' * dL(support; w)/dw`, `finetune_steps` times.

    Both rates are learned, for each number of a code and for each of an
    embedding. The outer loss is, besides `L(query; w)`,

    `kl_weight * KL(N(encode(support)) || N(0, 1))
    + encoder_penalty_weight * ||stop_gradient(z_K) - z_0||^2`

    in means over numbers, and the penalties of the dense layers. Outside of
    training nothing is sampled: codes and classifiers are the means. To check
    meta-gradients with `km.testing`, set `encoder_penalty_weight=0`: finite
    differences do not know of its `stop_gradient`.

    The constants are those of the paper's code, but they do not mean the same
    there. Its inner losses are sums over a support set, and each of its shots
    has a copy of the code: on our mean, its rates are `ways` times as large,
    5.0 and 0.005 with 5 classes. Its squares of the dense layers are halved:
    its `l2_weight` would be half as large here. Its standard deviations are
    clipped at zero, so that those of the codes begin near 0; here they are
    `exp(log_variance / 2)`, smooth everywhere, and begin near 1. The divergence
    is its closed form, which the code samples; and there is one code a class,
    as in the paper's text.

    Reference: Rusu, Rao, Sygnowski, Vinyals, Pascanu, Osindero and Hadsell,
    2019, "Meta-Learning with Latent Embedding Optimization", arXiv:1807.05960.

    Args:
        network: Built `keras.Model` from examples to embeddings `[n, D]`. Its
            weights are trained, too, unless they are frozen. It is found again
            as `learner.network.backbone`.
        ways: Number of classes in an episode, or the largest.
        inner_learning_rate: Positive number, the rate on the codes at the
            beginning.
        inner_steps: Number of steps of the codes.
        latent_size: Length of the code of a class.
        finetune_steps: Number of steps of the classifier itself; 0 for none.
        finetune_learning_rate: Positive number, the rate on the classifier at
            the beginning.
        dropout: Fraction of the embeddings that is dropped in training.
        kl_weight: Weight of the divergence.
        encoder_penalty_weight: Weight of how far the codes have moved.
        l2_weight: Weight of the squares of encoder, relation network and
            decoder.
        orthogonality_weight: Weight of the correlations between the rows of
            the decoder.
        seed: Seed of all noise, or `None` for a random one.
        **kwargs: `first_order`, `inner_optimizer` (what moves the codes),
            `inner_loss`, `batch_norm`, `test_inner_steps`,
            `second_order_after`, `rematerialize` (of the steps of the codes)
            and `unroll`, as for `MAML`; `name` and `dtype`, as for
            `keras.Model`.

    Raises:
        ValueError: If the network does not return embeddings or an argument
            is unsuitable.

    Example:

    >>> network = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.LEO(
    ...     network, ways=5, latent_size=16, inner_steps=2, finetune_steps=1
    ... )
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=1)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def __init__(
        self,
        network,
        ways,
        inner_learning_rate=1.0,
        inner_steps=5,
        latent_size=64,
        finetune_steps=5,
        finetune_learning_rate=0.001,
        dropout=0.3,
        kl_weight=1e-3,
        encoder_penalty_weight=1e-9,
        l2_weight=1e-8,
        orthogonality_weight=1e-3,
        seed=None,
        **kwargs,
    ):
        network = LatentNetwork(
            network,
            ways,
            latent_size,
            seed,
            kl_weight=kl_weight,
            encoder_penalty_weight=encoder_penalty_weight,
            l2_weight=l2_weight,
            orthogonality_weight=orthogonality_weight,
        )
        super().__init__(network, inner_learning_rate, inner_steps, **kwargs)
        self.finetune_steps = check_positive_int(
            "finetune_steps", finetune_steps, minimum=0
        )
        self.finetune_learning_rate = finetune_learning_rate
        self.dropout = check_fraction("dropout", dropout)
        self.finetune_optimizer = None
        if finetune_steps:
            self.finetune_optimizer = LearnedRates(
                finetune_learning_rate, "channel", name="finetune_optimizer"
            )
            shape = [network.ways, network.embedding_size]
            self.finetune_optimizer.build_for(
                [tf.zeros(shape, self.variable_dtype)]
            )

    def default_inner_optimizer(self):
        return LearnedRates(
            self.inner_learning_rate, "channel", name="inner_optimizer"
        )

    def initial_fast_weights(
        self, support_x=None, support_y=None, support_mask=None
    ):
        shape = [self.network.ways, self.network.latent_size]
        return [tf.zeros(shape, self.variable_dtype)]

    def encode(self, x, buffers, training=False):
        slow = [v.value for v in self.network.trainable_variables]
        embeddings, buffers, losses = self._network_state.call(
            slow, buffers, x, training
        )
        embeddings = tf.cast(embeddings, self.variable_dtype)
        return {"embeddings": embeddings}, buffers, losses

    def forward(self, fast_weights, buffers, x, training=False, step=0):
        """Classify by the decoded codes; `x` is what `_adapt` made."""
        seed = _fold(x.get("seed"), 2 * step)
        distribution = self.network.weight_distribution(fast_weights[0])
        classifier = sample_gaussian(*distribution, seed)
        return self._classify(classifier, x, 2 * step + 1), buffers, None

    def _classify(self, classifier, x, draw):
        """Return logits, with a dropout mask of its own for each `draw`."""
        embeddings = self._drop(x["embeddings"], _fold(x.get("seed"), draw))
        logits = tf.matmul(embeddings, classifier, transpose_b=True)
        return rule_out(logits, x["is_class"])

    def _drop(self, embeddings, seed):
        if seed is None or not self.dropout:
            return embeddings
        return seeded_dropout(embeddings, self.dropout, seed)

    def _next_seed(self, buffers, training):
        """Return a seed, or `None`, and buffers in which the next one waits."""
        if not training:
            return None, buffers
        name, seed = self.network.seed_in(buffers)
        after = seed + tf.constant([0, 1], seed.dtype)
        return tf.cast(seed, "int64"), {**buffers, name: after}

    def _adapt(self, support_x, support_y, support_mask, buffers, training):
        first_seed, buffers = self._next_seed(buffers, training)
        seed, buffers = self._next_seed(buffers, training)
        x, buffers, _ = self._encode(support_x, buffers, training, support_mask)
        labels = tf.reshape(tf.cast(support_y, "int32"), [-1])
        embeddings = self._drop(x["embeddings"], _fold(first_seed, 0))
        distribution = self.network.code_distribution(
            embeddings, labels, support_mask
        )
        codes = sample_gaussian(*distribution, _fold(first_seed, 1))
        x["is_class"] = present_classes(labels, self.network.ways, support_mask)
        if training:
            x["seed"] = seed
        support = {"x": x, "y": support_y}
        if support_mask is not None:
            support["mask"] = support_mask
        state = {
            "fast_weights": [codes],
            "buffers": buffers,
            "optimizer": self.inner_optimizer.initial_state([codes]),
        }
        state, _ = self._take_steps(state, support, training)
        [adapted], buffers = state["fast_weights"], state["buffers"]
        if self.batch_norm == "inductive":
            buffers = self.measure_statistics(
                [adapted], buffers, support_x, support_mask
            )
        state = {
            "fast_weights": [self._finetune(adapted, support, training)],
            "is_class": x["is_class"],
            "buffers": buffers,
        }
        if training:
            state["penalty"] = self.network.code_penalty(
                distribution, codes, adapted, x["is_class"]
            )
        return state

    def _finetune(self, codes, support, training):
        """Return the classifier that the codes make, after its own steps."""
        x, y, mask = support["x"], support["y"], support.get("mask")
        draw = 2 * self.steps_for(training)
        classifier = sample_gaussian(
            *self.network.weight_distribution(codes), _fold(x.get("seed"), draw)
        )
        constant_gradients = self._constant_gradients

        def step_fn(state, step):
            [classifier], optimizer_state = state
            with tf.GradientTape() as tape:
                tape.watch(classifier)
                outputs = self._classify(classifier, x, draw + 1 + step)
                loss = self._support_loss(y, outputs, mask)
            gradient = tape.gradient(loss, classifier)
            if constant_gradients:
                gradient, loss = map(tf.stop_gradient, (gradient, loss))
            return self.finetune_optimizer.apply(
                [classifier], [gradient], optimizer_state, step, loss
            )

        if not self.finetune_steps:
            return classifier
        state = (
            [classifier],
            self.finetune_optimizer.initial_state([classifier]),
        )
        state, _ = run_steps(step_fn, state, self.finetune_steps, self.unroll)
        return state[0][0]

    def _predict(self, state, query_x, training, query_mask=None):
        use = False if self.batch_norm == "inductive" else None
        seed, buffers = self._next_seed(state["buffers"], training)
        x, buffers, losses = self._encode(
            query_x, buffers, training, query_mask, use
        )
        x["is_class"] = state["is_class"]
        if training:
            x["seed"] = seed
            losses = state["penalty"] + (0.0 if losses is None else losses)
        return self._classify(state["fast_weights"][0], x, 0), buffers, losses

    def measure_statistics(self, weights, buffers, x, mask=None, step=None):
        def run(buffers):
            with self._policy(mask, through_moving=True):
                return self.encode(x, buffers)[1]

        return self._network_state.measure(run, buffers)

    def adapted_model(self, support_x, support_y, support_mask=None):
        return adapt_learner(self, support_x, support_y, support_mask)

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        check_classes(support_y, query_y, self.network.ways)

    def get_config(self):
        config = super().get_config()
        latent = config.pop("network")["config"]
        return {
            **config,
            "network": latent.pop("backbone"),
            **latent,
            "finetune_steps": self.finetune_steps,
            "finetune_learning_rate": self.finetune_learning_rate,
            "dropout": self.dropout,
        }


def _fold(seed, draw):
    """Return the seed of one draw, or `None` where nothing is sampled."""
    if seed is None:
        return None
    return tf.random.experimental.stateless_fold_in(seed, draw)
