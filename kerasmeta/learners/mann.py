"""A memory-augmented neural network."""

import keras

from kerasmeta.layers.memory_cell import MemoryCell
from kerasmeta.learners.sequence_learner import SequenceLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class MANN(SequenceLearner):
    """A network with an external memory, written to as examples come by.

    Use it where labelled examples arrive one after the other, and what was
    seen once should be found again: an LSTM keeps them in slots of a memory
    that it reads by content and writes where it was used least
    (`km.layers.MemoryCell`). With `f` the backbone and `e_n` the one-hot label
    of class `n`, it reads

    `[f(x_1), e_{y_1}], ..., [f(x_S), e_{y_S}], [f(query), 0]`

    each query with a memory of its own, equal to that after the support set,
    and the logits are linear in the output of the cell. **Predictions depend on
    the order of the support set.**
    Embeddings are normalized, and labels as long as they are
    (`km.layers.LabelledExamples`).

    With `shift_labels=True` each example comes with the label of the one
    before, as in the paper. Training then also judges each support example as
    it is predicted from those before, which is the paper's whole loss, and
    `predict_stream` returns these predictions, from which the accuracy at the
    first, second, ... example of a class follows. Give it several shots.

    By default, a step reads the memory before it writes, and sharply, which is
    not to the letter of the paper but learns far faster:
    `read_first=False, temperature=1.0` is (`km.layers.MemoryCell`).

    The paper took 100,000 episodes to train it. Labels are one-hots whose
    meaning is learned: train with as many ways as are needed later. The
    sizes are the paper's, whose memory is large for a few dozens of
    examples: with about as many slots as steps, and one head, a step is faster.

    Reference: Santoro, Bartunov, Botvinick, Wierstra and Lillicrap, 2016,
    "One-shot Learning with Memory-Augmented Neural Networks",
    arXiv:1605.06065.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or the most of them.
        units: Number of units of the controller.
        slots: Number of slots of the memory, at least as many as heads.
        slot_size: Width of a slot.
        heads: Number of reads, and of writes, at a step.
        usage_decay: Share of its usage that a slot keeps at each step.
        shift_labels: Whether labels come one step late.
        temperature: What cosines are divided by: the smaller, the sharper a
            read.
        read_first: Whether a step reads the memory before it writes.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings or an argument is unsuitable.

    Example:

    >>> learner = km.learners.MANN(
    ...     km.backbones.mlp((2,), 8, units=(8,)),
    ...     ways=2,
    ...     slots=8,
    ...     heads=1,
    ...     shift_labels=True,
    ... )
    >>> x = tf.constant([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> learner.predict_stream(x, tf.constant([0, 1, 0])).shape
    TensorShape([3, 2])
    """

    def __init__(
        self,
        backbone,
        ways,
        units=200,
        slots=128,
        slot_size=40,
        heads=4,
        usage_decay=0.99,
        shift_labels=False,
        temperature=0.1,
        read_first=True,
        **kwargs,
    ):
        super().__init__(backbone, ways, shift_labels, **kwargs)
        self.memory_arguments = {
            "units": units,
            "slots": slots,
            "slot_size": slot_size,
            "heads": heads,
            "usage_decay": usage_decay,
            "temperature": temperature,
            "read_first": read_first,
        }
        self.build_reader()

    def make_cell(self, **kwargs):
        return MemoryCell(**self.memory_arguments, **kwargs)

    def get_config(self):
        return {**super().get_config(), **self.memory_arguments}
