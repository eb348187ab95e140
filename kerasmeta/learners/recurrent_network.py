"""A recurrent network that learns to learn."""

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
    labels are for: give it many small tasks a step. Labels are one-hots whose
    meaning is learned: train with as many ways as are needed later.

    Reference: Hochreiter, Younger and Conwell, 2001, "Learning to Learn Using
    Gradient Descent", ICANN.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or the most of them.
        cell: `"lstm"` or `"gru"`.
        units: Number of units of the cell.
        shift_labels: Whether labels come one step late.
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
        **kwargs,
    ):
        super().__init__(backbone, ways, shift_labels, **kwargs)
        self.cell = check_choice("cell", cell, tuple(_CELLS))
        self.units = check_positive_int("units", units)
        self.build_reader()

    def make_cell(self, **kwargs):
        return _CELLS[self.cell](self.units, **kwargs)

    def get_config(self):
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
        }
