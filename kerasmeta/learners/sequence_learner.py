"""The base of learners that read a support set step by step."""

import abc

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.layers.labelled_examples import LabelledExamples
from kerasmeta.learners.checks import check_classes
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.embedding_learner import as_labels
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops.class_members import class_members
from kerasmeta.ops.padding_first import padding_first
from kerasmeta.utils import check_positive_int


class SequenceLearner(EmbeddingLearner, abc.ABC):
    """Reads a support set with a recurrent cell, and each query after it.

    A subclass makes the cell, an RNN cell of Keras' kind, of any state. The
    state of a task is that of the cell after the support set. Each query is one
    more step from there, so that queries do not see each other. The cell reads
    each example with its label, and the query with none,

    `[f(x_1), e_{y_1}], ..., [f(x_S), e_{y_S}], [f(query), 0]`

    or, with `shift_labels=True`, each with the label of the example *before*,
    so that it can predict a label before it is told:

    `[f(x_1), 0], [f(x_2), e_{y_1}], ..., [f(query), e_{y_S}]`

    Embeddings are normalized and labels scaled to their length by
    `km.layers.LabelledExamples`.

    In training, the mean crossentropy of the support examples, each predicted
    from those before it, is then added to the loss.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or the most of them.
        shift_labels: Whether labels come one step late.
    """

    def __init__(self, backbone, ways, shift_labels=False, **kwargs):
        super().__init__(
            backbone, check_positive_int("ways", ways, 2), **kwargs
        )
        self.shift_labels = bool(shift_labels)

    @abc.abstractmethod
    def make_cell(self, **kwargs):
        """Return the cell; `kwargs` are those of a layer."""

    def build_reader(self):
        """Make the cell and what reads its outputs, once sizes are known."""
        dtype = self.variable_dtype
        self.reader = layers.RNN(
            self.make_cell(dtype=dtype),
            return_sequences=True,
            return_state=True,
            dtype=dtype,
            name="reader",
        )
        self.examples = LabelledExamples(
            self.ways, dtype=dtype, name="examples"
        )
        shape = (None, None, embedding_size(self.backbone))
        self.examples.build(shape)
        self.reader.build(self.examples.compute_output_shape(shape))
        self.logits = layers.Dense(self.ways, dtype=dtype, name="logits")
        self.logits.build((None, None, self.reader.cell.output_size))

    def fit_head(self, embeddings, labels, ways, mask=None, training=False):
        if mask is not None:
            [embeddings, labels], mask = padding_first(
                [embeddings, labels], mask
            )
        outputs, memory = self._read(embeddings, labels, mask)
        told = self._one_hot(labels[:, -1])
        if not self.shift_labels:
            told = tf.zeros_like(told)
        elif training:
            logits = self.logits(outputs)
            self.add_loss(_mean_crossentropy(logits, labels, mask))
        return {"memory": memory, "told": told}

    def apply_head(self, state, embeddings):
        tasks, count = tf.unstack(tf.shape(embeddings)[:2])

        def for_each_query(t):
            copies = tf.repeat(t, count, axis=0)
            return tf.ensure_shape(copies, [None, *t.shape[1:]])

        told, memory = tf.nest.map_structure(
            for_each_query, (state["told"], state["memory"])
        )
        flat = tf.reshape(embeddings, [tasks * count, embeddings.shape[-1]])
        inputs = self.examples(flat, told)
        outputs, _ = self.reader.cell(inputs, memory)
        return tf.reshape(self.logits(outputs), [tasks, count, self.ways])

    def predict_stream(self, x, y):
        """Predict each example of a labelled sequence from those before it.

        Args:
            x: Examples, `[S, ...]`, or a nest; or those of several sequences,
                `[T, S, ...]`.
            y: Their labels, integers `[S]` or `[T, S]`.

        Returns:
            Logits, `[S, ways]` or `[T, S, ways]`: those of an example depend on
            no label but those of earlier ones.

        Raises:
            ValueError: Without `shift_labels`: examples come with their labels;
                or if `y` is not one class for each example.
        """
        if not self.shift_labels:
            raise ValueError(
                "A stream is predicted before labels are told: build the "
                "learner with `shift_labels=True`. Received: shift_labels=False"
            )
        x = tf.nest.map_structure(tf.convert_to_tensor, x)
        y = tf.convert_to_tensor(y)
        _check_stream(x, y, self.ways)
        rank, size = y.shape.rank, tf.shape(y)[-1]

        def merged(t):
            shape = tf.concat([[-1], tf.shape(t)[rank:]], axis=0)
            return tf.reshape(t, shape)

        flat = self._embed(tf.nest.map_structure(merged, x), training=False)
        embeddings = tf.reshape(flat, [-1, size, flat.shape[-1]])
        labels = as_labels(tf.reshape(y, [-1, size]), rank=2)
        logits = self.logits(self._read(embeddings, labels, None)[0])
        return tf.reshape(logits, [*tf.unstack(tf.shape(y)), self.ways])

    def _read(self, embeddings, labels, mask):
        """Return the outputs for a sequence, and the state after it."""
        told = self._one_hot(labels)
        if self.shift_labels:
            if mask is not None:
                told = tf.where(mask[..., None], told, tf.zeros_like(told))
            told = tf.pad(told[:, :-1], [[0, 0], [1, 0], [0, 0]])
        inputs = self.examples(embeddings, told)
        outputs, *memory = self.reader(inputs, mask=mask)
        return outputs, memory

    def _one_hot(self, labels):
        return class_members(labels, self.ways, dtype=self.variable_dtype)

    def get_config(self):
        return {**super().get_config(), "shift_labels": self.shift_labels}


def _check_stream(x, y, ways):
    """Raise a `ValueError` if `y` is not one class for each example of `x`."""
    rank = y.shape.rank
    shapes = [t.shape for t in tf.nest.flatten(x)]
    fits = all(shape[:rank].is_compatible_with(y.shape) for shape in shapes)
    if rank not in (1, 2) or not fits or 0 in y.shape:
        raise ValueError(
            "A stream has one label for each example, `[S]` for `x` of shape "
            "`[S, ...]`, or `[T, S]` for `[T, S, ...]`, and at least one. "
            "One-hot labels: use `tf.argmax(y, -1)`. "
            f"Received: y of shape {y.shape}, x of shape "
            f"{', '.join(map(str, shapes))}"
        )
    # Within a graph nobody knows them.
    if tf.executing_eagerly():
        check_classes(y, ways=ways)


def _mean_crossentropy(logits, labels, mask):
    """Return the mean over tasks of the mean over what counts."""
    losses = keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )
    if mask is None:
        return tf.reduce_mean(losses)
    shares = tf.cast(mask, losses.dtype)
    totals = tf.reduce_sum(losses * shares, axis=1)
    return tf.reduce_mean(totals / tf.reduce_sum(shares, axis=1))
