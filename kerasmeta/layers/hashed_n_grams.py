"""Words and pieces of words, counted."""

import keras
import tensorflow as tf

from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class HashedNGrams(keras.layers.Layer):
    """Counts the words of a text and the pieces that they are made of.

    Use it where training does not see all words, as in episodes of unseen
    classes: "transferred" shares pieces with "transfer", where a vocabulary of
    words has nothing for it, or something random. It needs no vocabulary and
    no `adapt`, so nothing of a test set can leak into it. It is the vectorizer
    of `episodes_from_text`, which is fast, or the first layer of a network, so
    that the saved model takes strings.

    A text is written in lower case, without punctuation and symbols, and split
    at spaces; a word `w` becomes `<w>`. With `G` all runs of `size` characters
    of these words, for each of `sizes`, and the words themselves,

    `y_b = |{g in G: hash(g) mod buckets = b}|`

    where what occurs twice counts twice. Pieces that share a bucket cannot be
    told apart: take a multiple of as many buckets as a text has pieces.

    Reference: Bojanowski, Grave, Joulin and Mikolov, 2017, "Enriching Word
    Vectors with Subword Information", arXiv:1607.04606; Weinberger, Dasgupta,
    Langford, Smola and Attenberg, 2009, "Feature Hashing for Large Scale
    Multitask Learning", arXiv:0902.2206.

    Args:
        buckets: Number of counts, such as 4096.
        sizes: Numbers of characters of the pieces, marks included; a piece is
            never longer than its word. May be empty.
        words: Whether whole words count, too.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call arguments:
        inputs: Strings in UTF-8, of any shape `[...]`.

    Returns:
        Counts, `[..., buckets]`.

    Raises:
        ValueError: If an argument is not what it should be, nothing is to be
            counted, or the inputs are no strings.

    Example:

    >>> layer = km.layers.HashedNGrams(4096, sizes=(3,), words=False)
    >>> counts = layer(tf.constant(["transfer", "Transferred!", "a lamp"]))
    >>> counts.shape
    TensorShape([3, 4096])
    >>> keras.ops.dot(counts[0], counts[1]).numpy()  # <tr tra ran ... sfe fer
    np.float32(7.0)
    """

    def __init__(self, buckets, sizes=(3, 4), words=True, **kwargs):
        super().__init__(**kwargs)
        self.buckets = check_positive_int("buckets", buckets)
        self.sizes = _check_sizes(sizes)
        self.words = bool(words)
        if not self.sizes and not self.words:
            raise ValueError(
                "There must be something to count: give `sizes` of pieces, or "
                f"`words=True`. Received: sizes={sizes!r}, words={words!r}"
            )
        self.supports_jit = False  # XLA knows no strings.

    def call(self, inputs):
        texts = tf.convert_to_tensor(inputs)
        if texts.dtype != tf.string:
            raise ValueError(
                "`HashedNGrams` takes strings, and makes numbers of them "
                f"itself. Received: inputs of dtype {texts.dtype.name}"
            )
        shape = tf.shape(texts)
        words = _split(tf.reshape(texts, [-1]))
        rows, pieces = self._pieces(words)
        ids = tf.strings.to_hash_bucket_fast(pieces, self.buckets)
        counts = tf.scatter_nd(
            tf.stack([rows, ids], axis=1),
            tf.ones_like(ids, self.compute_dtype),
            [words.nrows(), self.buckets],
        )
        counts = tf.reshape(counts, tf.concat([shape, [self.buckets]], axis=0))
        counts.set_shape([*texts.shape, self.buckets])
        return counts

    def _pieces(self, words):
        """Return all pieces of all texts, and which text each is of."""
        rows, pieces = [], []
        if self.words:
            rows.append(words.value_rowids())
            pieces.append(words.values)
        if self.sizes:
            characters = tf.strings.unicode_split(words.values, "UTF-8")
            runs = tf.strings.ngrams(characters, self.sizes, separator="")
            rows.append(tf.gather(words.value_rowids(), runs.value_rowids()))
            pieces.append(runs.values)
        return tf.concat(rows, axis=0), tf.concat(pieces, axis=0)

    def compute_output_spec(self, inputs):
        shape = (*inputs.shape, self.buckets)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "buckets": self.buckets,
            "sizes": self.sizes,
            "words": self.words,
        }


def _split(texts):
    """Return the marked words of texts `[n]`, a ragged `[n, words]`."""
    texts = tf.strings.lower(texts, encoding="utf-8")
    # Marks are symbols, too, so that no text has any.
    words = tf.strings.split(tf.strings.regex_replace(texts, r"[\pP\pS]", ""))
    return words.with_values(tf.strings.join(["<", words.values, ">"]))


def _check_sizes(sizes):
    if not isinstance(sizes, (tuple, list)) or len(set(sizes)) < len(sizes):
        raise ValueError(
            "`sizes` must be a tuple of different integers, such as (3, 4). "
            f"Received: sizes={sizes!r}"
        )
    return tuple(check_positive_int("sizes", size) for size in sizes)
