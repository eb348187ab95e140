"""A small network for texts."""

import keras
from keras import layers

from kerasmeta.layers import AttentionPooling
from kerasmeta.layers import MaskedMean
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_widths


def text_encoder(
    vocabulary_size,
    num_classes=None,
    embedding_size=64,
    units=(64,),
    pooling="mean",
    name="text_encoder",
):
    """Return a network that averages word embeddings: a deep averaging network.

    Use it for short texts, such as intents and tickets: it is as fast as it is
    small, and hard to beat with few examples. Tokens are embedded, averaged
    without padding (token 0), and go through dense ReLU layers. With
    `num_classes` it ends in logits; without, in the features.

    With `pooling="attention"` the mean is one of learned weights, for longer
    texts of which a few words decide: see `km.layers.AttentionPooling`.

    Reference: Iyyer, Manjunatha, Boyd-Graber and Daume III, 2015, "Deep
    Unordered Composition Rivals Syntactic Methods for Text Classification",
    ACL.

    Args:
        vocabulary_size: Number of tokens, such as
            `TextVectorization.vocabulary_size()`.
        num_classes: Width of the head, or `None` for no head.
        embedding_size: Size of a word's embedding.
        units: Width of each hidden layer.
        pooling: `"mean"` or `"attention"`.
        name: Name of the model.

    Returns:
        A built functional `keras.Model` from token ids `[n, time]`, of any
        number of tokens.

    Raises:
        ValueError: If a size is not a positive integer, `units` no tuple of
            them, or `pooling` is unknown.

    Example:

    A model that takes strings:

    >>> vectorizer = keras.layers.TextVectorization()
    >>> vectorizer.adapt(["dim the lamp", "buy a lamp"])
    >>> encoder = km.backbones.text_encoder(vectorizer.vocabulary_size())
    >>> backbone = keras.Sequential(
    ...     [keras.Input((), dtype="string"), vectorizer, encoder]
    ... )
    >>> backbone(tf.constant(["dim a lamp", "buy the lamp"])).shape
    TensorShape([2, 64])
    """
    check_positive_int("vocabulary_size", vocabulary_size, 2)
    check_choice("pooling", pooling, ("mean", "attention"))
    units = check_widths("units", units)
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(
        vocabulary_size,
        check_positive_int("embedding_size", embedding_size),
        mask_zero=True,
        name="embedding",
    )(inputs)
    if pooling == "attention":
        x = AttentionPooling(name="attention")(x)
    else:
        x = MaskedMean(name="average")(x)
    for i, width in enumerate(units, 1):
        x = layers.Dense(width, "relu", name=f"hidden{i}")(x)
    if num_classes is not None:
        x = layers.Dense(num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)
