"""Categories of a string column as one-hot vectors."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="kerasmeta")
class OneHotStrings(keras.layers.Layer):
    """Turns strings `[n, 1]` into one-hot vectors `[n, 1 + categories]`.

    Does what `keras.layers.StringLookup(output_mode="one_hot")` does, by
    comparison instead of a hash table: so it runs vectorized over tasks in an
    inner loop, and a SavedModel needs no table. It is for the tens or hundreds
    of categories of a column, not for the words of a language. Column 0 is for
    strings that are no category.

    Args:
        vocabulary: List of the categories, different strings.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Raises:
        ValueError: If `vocabulary` is empty, repeats a string or holds
            anything else, or the examples are not one string each.

    Example:

    >>> layer = km.layers.OneHotStrings(["barley", "lupins"])
    >>> layer(tf.constant([["lupins"], ["oats"]])).numpy()
    array([[0., 0., 1.], [1., 0., 0.]], dtype=float32)
    """

    def __init__(self, vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary = _check_vocabulary(vocabulary)
        self.supports_jit = False  # XLA knows no strings.

    def build(self, input_shape):
        if len(input_shape) != 2 or input_shape[-1] != 1:
            raise ValueError(
                "`OneHotStrings` takes one column of strings, `[n, 1]`. "
                f"Received: examples of shape {tuple(input_shape[1:])}"
            )

    def call(self, inputs):
        is_category = tf.equal(inputs, tf.constant([self.vocabulary]))
        is_unknown = tf.logical_not(
            tf.reduce_any(is_category, axis=-1, keepdims=True)
        )
        one_hot = tf.concat([is_unknown, is_category], axis=-1)
        return tf.cast(one_hot, self.compute_dtype)

    def compute_output_spec(self, inputs):
        shape = (*inputs.shape[:-1], 1 + len(self.vocabulary))
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "vocabulary": self.vocabulary}


def _check_vocabulary(vocabulary):
    is_list = isinstance(vocabulary, (list, tuple)) and len(vocabulary)
    words = list(vocabulary) if is_list else [None]
    if not all(isinstance(word, str) for word in words) or (
        len(set(words)) < len(words)
    ):
        raise ValueError(
            "`vocabulary` must be a list of different strings, one or more. "
            f"Received: vocabulary={vocabulary!r}"
        )
    return [str(word) for word in words]
