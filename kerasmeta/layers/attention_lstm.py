"""An LSTM that reads a set with attention."""

import keras
import tensorflow as tf

from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class AttentionLSTM(keras.layers.Layer):
    """Embeds queries anew after reading a support set several times.

    Use it to let the embedding of a query depend on the support set, whose
    order does not matter to it. With an embedded query `f` and embedded
    support examples `g_i`, it takes `steps` times

    `r = sum_i softmax_i(h . g_i) g_i`, `h', c <- LSTM(f, [h, r], c)`,
    `h <- h' + f`

    and returns `h`. The reference does not say how it begins: here `c = 0` and
    `h' = 0`, so that the first read is that of the query itself, `h = f`.

    Reference: Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra, 2016,
    "Matching Networks for One Shot Learning", arXiv:1606.04080, appendix A.1.

    Args:
        steps: Number of reads.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on `[queries, support]`, `[T, Q, D]` and `[T, S, D]`, and maybe with
    `support_mask=`, `[T, S]`, true for the examples that count.

    Raises:
        ValueError: If `steps` is not positive, or it is not called on such a
            pair.

    Example:

    >>> layer = km.layers.AttentionLSTM(steps=3)
    >>> layer([np.ones((2, 4, 8)), np.ones((2, 5, 8))]).shape
    TensorShape([2, 4, 8])
    """

    def __init__(self, steps=5, **kwargs):
        super().__init__(**kwargs)
        self.steps = check_positive_int("steps", steps)

    def build(self, input_shape):
        size = _check_shapes(input_shape)[0][-1]
        # What is read enters as an input: its weights are those that the
        # reference has in the recurrent kernel.
        self.cell = keras.layers.LSTMCell(
            size, dtype=self.dtype_policy, name="cell"
        )
        self.cell.build((None, 2 * size))

    def call(self, inputs, support_mask=None):
        queries, support = inputs
        flat = tf.reshape(queries, [-1, queries.shape[-1]])
        hidden, cell = flat, tf.zeros_like(flat)
        for _ in range(self.steps):
            reads = _read(
                tf.reshape(hidden, tf.shape(queries)), support, support_mask
            )
            reads = tf.reshape(reads, tf.shape(flat))
            inputs = tf.concat([flat, reads], axis=-1)
            output, [_, cell] = self.cell(inputs, [hidden, cell])
            hidden = output + flat
        return tf.reshape(hidden, tf.shape(queries))

    def compute_output_shape(self, input_shape):
        return _check_shapes(input_shape)[0]

    def get_config(self):
        return {**super().get_config(), "steps": self.steps}


def _read(queries, support, mask):
    """Return the mean of the support set that each query attends to."""
    scores = tf.matmul(queries, support, transpose_b=True)  # (T, Q, S)
    if mask is not None:
        is_real = tf.cast(mask, "bool")[:, None]
        scores = tf.where(is_real, scores, scores.dtype.min)
    return tf.matmul(tf.nn.softmax(scores), support)


def _check_shapes(input_shape):
    is_pair = len(input_shape) == 2 and all(
        isinstance(shape, (list, tuple)) and len(shape) == 3
        for shape in input_shape
    )
    if not is_pair or input_shape[0][-1] != input_shape[1][-1]:
        raise ValueError(
            "`AttentionLSTM` must be called on a pair `[queries, support]` of "
            "shapes [T, Q, D] and [T, S, D]. "
            f"Received: input_shape={input_shape}"
        )
    return input_shape
