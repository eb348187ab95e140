"""A recurrent cell with an external memory."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.ops import cosine_similarities
from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class MemoryCell(keras.layers.Layer):
    """An LSTM that writes to, and reads from, slots of a memory.

    What `MANN` reads a support set with, and a cell for `keras.layers.RNN`.
    Access is by content and to the least recently used slots. At each step the
    controller, an LSTM, sees the input and what was read before, and gives each
    head a key `k` and a gate `g`. With the memory `M`, read weights `r` and
    usage `u` of the step before, `l` one for the head's own least used slot:
    the first head has the least used one, the second the next, and so on,

    `r' = softmax_i(cos(k, M_i) / temperature)`, reading `sum_i r'_i M_i`;
    `w = g r + (1 - g) l`, written as `M_i <- M_i + w_i k`, after each `l` has
    been emptied, for all heads;
    `u <- usage_decay u + r' + w`, summed over heads, and `r <- r'`

    The output is that of the controller, with what was read. Which slot is the
    least used has no gradient. All begins at zero.

    The paper leaves open how several heads share the least used slots, and
    where the gate is from: here, it is a dense layer on the controller. One
    vector is key and content, as in its equations; the neural Turing machine
    and some implementations write another one.

    Two things are not as the paper writes them. Its reads compare the key to
    the memory *after* it was written, `read_first=False` here: what matches
    best is then always what was just written. And they have no temperature:
    cosines lie between -1 and 1, so that a read was close to the mean of all
    slots. `read_first=False, temperature=1.0` is the paper to the letter, and
    learns far more slowly.

    Reference: Santoro, Bartunov, Botvinick, Wierstra and Lillicrap, 2016,
    "One-shot Learning with Memory-Augmented Neural Networks",
    arXiv:1605.06065.

    Args:
        units: Number of units of the controller.
        slots: Number of slots of the memory, at least as many as heads.
        slot_size: Width of a slot.
        heads: Number of reads, and of writes.
        usage_decay: Share of its usage that a slot keeps at each step.
        temperature: What cosines are divided by: the smaller, the sharper a
            read.
        read_first: Whether a step reads the memory before it writes.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is unsuitable.

    Example:

    >>> cell = km.layers.MemoryCell(units=8, slots=4, slot_size=3, heads=2)
    >>> keras.layers.RNN(cell)(tf.ones((2, 5, 6))).shape
    TensorShape([2, 14])
    """

    def __init__(
        self,
        units=200,
        slots=128,
        slot_size=40,
        heads=4,
        usage_decay=0.99,
        temperature=0.1,
        read_first=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = check_positive_int("units", units)
        self.heads = check_positive_int("heads", heads)
        self.slots = check_positive_int("slots", slots, minimum=self.heads)
        self.slot_size = check_positive_int("slot_size", slot_size)
        self.usage_decay = check_fraction("usage_decay", usage_decay)
        self.temperature = check_positive_number("temperature", temperature)
        self.read_first = bool(read_first)

    @property
    def state_size(self):
        # Of hidden, cell, reads, memory, read weights and usage, as vectors.
        return [
            self.units,
            self.units,
            self.heads * self.slot_size,
            self.slots * self.slot_size,
            self.heads * self.slots,
            self.slots,
        ]

    @property
    def output_size(self):
        return self.units + self.heads * self.slot_size

    def build(self, input_shape):
        dtype, reads = self.dtype_policy, self.heads * self.slot_size
        self.controller = layers.LSTMCell(
            self.units, dtype=dtype, name="controller"
        )
        self.controller.build((None, input_shape[-1] + reads))
        self.keys = layers.Dense(reads, dtype=dtype, name="keys")
        self.keys.build((None, self.units))
        self.gates = layers.Dense(
            self.heads, "sigmoid", dtype=dtype, name="gates"
        )
        self.gates.build((None, self.units))

    def call(self, inputs, states, training=False):
        hidden, cell, reads, memory, read_weights, usage = states
        hidden, [_, cell] = self.controller(
            tf.concat([inputs, reads], axis=-1), [hidden, cell]
        )
        keys = tf.reshape(self.keys(hidden), [-1, self.heads, self.slot_size])
        memory = tf.reshape(memory, [-1, self.slots, self.slot_size])
        read_weights = tf.reshape(read_weights, [-1, self.heads, self.slots])
        least_used = _least_used(usage, self.heads)
        gates = self.gates(hidden)[..., None]
        write_weights = gates * read_weights + (1 - gates) * least_used
        before = memory
        memory *= 1 - tf.reduce_sum(least_used, axis=1)[..., None]
        memory += tf.matmul(write_weights, keys, transpose_a=True)
        seen = before if self.read_first else memory
        cosines = cosine_similarities(keys, seen)
        read_weights = tf.nn.softmax(cosines / self.temperature)
        usage = self.usage_decay * usage + tf.reduce_sum(
            read_weights + write_weights, axis=1
        )
        reads = _flat(tf.matmul(read_weights, seen))
        states = [
            hidden,
            cell,
            reads,
            _flat(memory),
            _flat(read_weights),
            usage,
        ]
        return tf.concat([hidden, reads], axis=-1), states

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "slots": self.slots,
            "slot_size": self.slot_size,
            "heads": self.heads,
            "usage_decay": self.usage_decay,
            "temperature": self.temperature,
            "read_first": self.read_first,
        }


def _least_used(usage, count):
    """Return one-hots `[n, count, slots]` of the least used slots, in order."""
    _, indices = tf.math.top_k(-usage, count)
    return tf.one_hot(indices, usage.shape[-1], dtype=usage.dtype)


def _flat(x):
    return tf.reshape(x, [-1, x.shape[1] * x.shape[2]])
