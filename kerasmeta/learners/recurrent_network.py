"""A recurrent network that learns to learn."""

import math

import keras
from keras import layers

from kerasmeta.learners.sequence_learner import SequenceLearner
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int

_CELLS = {"lstm": layers.LSTMCell, "gru": layers.GRUCell}


@keras.saving.register_keras_serializable(package="kerasmeta")
class RecurrentNetwork(SequenceLearner):
    """An LSTM or GRU whose hidden state is all that it knows of a task.

    Use it as the plainest learner with memory, to compare others with: nothing
    but training tells it what to keep of the support set. With `f` the backbone
    and `e_n` the one-hot label of class `n`, the cell reads

    `[f(x_1), e_{y_1}], ..., [f(x_S), e_{y_S}], [f(query), 0]`

    each query from the state after the support set, and the logits are linear
    in its output. **Predictions depend on the order of the support set.**
    Embeddings are normalized, and labels as long as they are
    (`km.layers.LabelledExamples`).

    With `shift_labels=True` each example comes with the label of the one
    before, as in the paper, and each support example is predicted from those
    before, in the loss and by `predict_stream`. To bind a label to an example
    that is gone is harder to learn.

    It stays at chance for a hundred steps or more before it finds out what
    labels are for: give it many small tasks a step. A new cell forgets the
    first of a few dozens of examples before it can learn to keep them: with
    `memory_length`, biases of the gate that keeps the state begin at
    `log u`, `u ~ U(1, memory_length - 1)`, so that units remember for up to
    about so many steps (chrono initialization; biases of the LSTM's input gate
    begin at zero all the same). Labels are one-hots whose meaning is learned:
    train with as many ways as are needed later.

    Reference: Hochreiter, Younger and Conwell, 2001, "Learning to Learn Using
    Gradient Descent", ICANN; Tallec and Ollivier, 2018, "Can recurrent neural
    networks warp time?", arXiv:1804.11188, for `memory_length`.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or the most of them.
        cell: `"lstm"` or `"gru"`.
        units: Number of units of the cell.
        shift_labels: Whether labels come one step late.
        memory_length: Number of steps that a new cell may remember, such as
            that of the support examples, or `None` for the biases of Keras.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings or an argument is unsuitable.

    Example:

    >>> learner = km.learners.RecurrentNetwork(
    ...     km.backbones.mlp((2,), 8, units=(8,)), ways=3, cell="gru", units=16
    ... )
    >>> state = learner.adapt(
    ...     tf.constant([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
    ...     tf.constant([0, 1, 2]),
    ... )
    >>> learner.predict_query(state, tf.constant([[0.1, 0.9]])).shape
    TensorShape([1, 3])
    """

    def __init__(
        self,
        backbone,
        ways,
        cell="lstm",
        units=128,
        shift_labels=False,
        memory_length=None,
        **kwargs,
    ):
        super().__init__(backbone, ways, shift_labels, **kwargs)
        self.cell = check_choice("cell", cell, tuple(_CELLS))
        self.units = check_positive_int("units", units)
        self.memory_length = (
            None
            if memory_length is None
            else check_positive_int("memory_length", memory_length, 2)
        )
        self.build_reader()

    def make_cell(self, **kwargs):
        if self.memory_length is not None:
            kwargs["bias_initializer"] = self._keeping_bias
            if self.cell == "lstm":
                kwargs["unit_forget_bias"] = False
        return _CELLS[self.cell](self.units, **kwargs)

    def _keeping_bias(self, shape, dtype=None):
        """Return first biases with which units keep their state for a while."""
        draw = keras.initializers.RandomUniform(1, self.memory_length - 1)
        keep = keras.ops.log(draw((self.units,), dtype=dtype))
        # The second gate of an LSTM, and the first of a GRU.
        before = self.units if self.cell == "lstm" else 0
        after = math.prod(shape) - before - self.units
        return keras.ops.reshape(keras.ops.pad(keep, [before, after]), shape)

    def get_config(self):
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
            "memory_length": self.memory_length,
        }
