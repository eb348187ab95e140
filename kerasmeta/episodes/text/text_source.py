"""A source of texts, as strings or already as numbers."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.array_source import array_loader
from kerasmeta.episodes.array_source import array_source
from kerasmeta.episodes.transform import apply_once

_BATCH_SIZE = 256


def text_source(texts, labels, groups=None, vectorizer=None, where=None):
    """Return a `Source` of texts.

    Args:
        texts: Strings, `[num_examples]`.
        labels: Class of each text.
        groups: Optional group of each text.
        vectorizer: Layer or function from strings `[n]` to a dense tensor
            `[n, ...]`, applied to all texts here, or `None` to keep strings.
        where: Function from the number of a text to where it stands, for
            messages.
    """
    encoded = _check_texts(texts, where or "texts[{}]".format)
    labels = check_labels(labels, "labels")
    if vectorizer is not None:
        vectors = _vectorize(vectorizer, encoded)
        return array_source(vectors, labels, groups, name="texts")
    # The checks of arrays know numbers only: let them see one for each text.
    rows = np.arange(len(encoded))[:, None]
    source = array_source(rows, labels, groups, name="texts")
    return dataclasses.replace(source, load=array_loader(encoded))


def _vectorize(vectorizer, texts):
    if not callable(vectorizer):
        raise ValueError(
            "`vectorizer` must be an adapted `keras.layers.TextVectorization`, "
            "or another layer or function from strings [n] to a tensor. "
            f"Received: vectorizer={vectorizer!r}"
        )
    size = _BATCH_SIZE
    if isinstance(vectorizer, keras.layers.TextVectorization):
        _check_vocabulary(vectorizer)
        # It pads to the longest text of a call, if it is told no length.
        size = len(texts)
    return apply_once(
        vectorizer,
        lambda part: tf.constant(texts[part]),
        len(texts),
        size,
        "vectorizer",
    )


def _check_vocabulary(vectorizer):
    if not vectorizer.get_vocabulary(include_special_tokens=False):
        raise ValueError(
            "`vectorizer` must know words, or it takes all texts for the same. "
            "Call `vectorizer.adapt(training_texts)` first. Received: "
            f"{vectorizer.name} with an empty vocabulary"
        )


def _check_texts(texts, where):
    """Return texts as UTF-8, or say which is none and where it stands."""
    # Objects, for a fixed width would make every text as long as the longest.
    array = np.array(texts, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not len(array):
        raise ValueError(
            "`texts` must be a list or vector of strings, one for each "
            "example, and not empty. Received: texts of shape "
            f"{array.shape} and type {type(texts).__name__}"
        )
    encoded = np.empty(len(array), dtype=object)
    for i, text in enumerate(array):
        encoded[i] = _check_text(text, where, i)
    return encoded


def _check_text(text, where, i):
    if not isinstance(text, (str, bytes)):
        raise ValueError(
            "All texts must be strings. Drop or fill examples without a text. "
            f"Received: {where(i)} is {text!r} of type {type(text).__name__}"
        )
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        encoded = text.encode("utf-8")
    except UnicodeError as error:
        raise ValueError(
            "All texts must be valid Unicode, in UTF-8 if they are bytes. "
            f"Received: {where(i)} is {text!r}, where {error.reason}"
        ) from error
    if not text.strip():
        raise ValueError(
            "A text must have a character that is not white space. Drop "
            f"examples without a text. Received: {where(i)} is {text!r}"
        )
    return encoded
