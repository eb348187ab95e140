"""A causal convolution over time."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.ops.zero_padding import zero_padding
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class TemporalConvolution(keras.layers.Layer):
    """Appends to each member of a sequence a gated sum with one before it.

    What `SNAIL` gathers its support set with: the "dense block" of the paper,
    a causal convolution of two taps, `dilation` steps apart,

    `y_t = [x_t, tanh(F [x_{t-d}, x_t]) * sigmoid(G [x_{t-d}, x_t])]`

    with zeros before the beginning. A sequence is read once, by calling the
    layer; then `extend` gives what each of several examples would get as the
    next one, from what `remember` returns.

    Reference: Mishra, Rohaninejad, Chen and Abbeel, 2018, "A Simple Neural
    Attentive Meta-Learner", arXiv:1707.03141.

    Args:
        filters: Number of channels that are appended.
        dilation: Number of steps between the two taps.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on sequences `[T, S, C]`, and maybe with `sequence_mask=`, bool
    `[T, S]`, true for the members that count; the others must come first.

    Raises:
        ValueError: If an argument is not positive.

    Example:

    >>> layer = km.layers.TemporalConvolution(filters=4, dilation=2)
    >>> layer(tf.ones((2, 5, 8))).shape
    TensorShape([2, 5, 12])
    """

    def __init__(self, filters, dilation=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = check_positive_int("filters", filters)
        self.dilation = check_positive_int("dilation", dilation)

    def build(self, input_shape):
        # F and G side by side; two taps are one product.
        self.taps = layers.Dense(
            2 * self.filters, dtype=self.dtype_policy, name="taps"
        )
        self.taps.build((*input_shape[:-1], 2 * input_shape[-1]))

    def call(self, sequence, sequence_mask=None):
        late = self._delayed(sequence, sequence_mask)
        return self._append(sequence, late[:, :-1])

    def remember(self, sequence, sequence_mask=None):
        """Return what `extend` looks at, for a sequence as in a call."""
        sequence = tf.cast(sequence, self.compute_dtype)
        return self._delayed(sequence, sequence_mask)[:, -1:]

    def extend(self, examples, memory):
        """Return what each example would get as the next of its sequence.

        Args:
            examples: `[T, Q, C]`.
            memory: What `remember` returned.
        """
        examples = tf.cast(examples, self.compute_dtype)
        return self._append(
            examples, tf.broadcast_to(memory, tf.shape(examples))
        )

    def _delayed(self, sequence, mask):
        """Return the sequence `dilation` steps late, one step longer."""
        # Padding is what there is before the beginning: zeros.
        sequence = zero_padding(sequence, mask)
        size = tf.shape(sequence)[1]
        late = tf.pad(sequence, [[0, 0], [self.dilation, 0], [0, 0]])
        return late[:, : size + 1]

    def _append(self, now, before):
        both = self.taps(tf.concat([before, now], axis=-1))
        signal, gate = tf.split(both, 2, axis=-1)
        return tf.concat([now, tf.tanh(signal) * tf.sigmoid(gate)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "dilation": self.dilation,
        }
