"""A source of waveforms of one length, or of what a transform makes of them."""

import dataclasses

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.array_source import array_source
from kerasmeta.episodes.transform import apply_once
from kerasmeta.utils import check_positive_int

_BATCH_SIZE = 64
# What makes of 16-bit integers numbers in [-1, 1).
_SCALE = 2.0**-15


def waveform_source(
    waveforms, labels, groups=None, length=None, transform=None, where=None
):
    """Return a `Source` of waveforms.

    Args:
        waveforms: List of vectors, or an array `[num_examples, samples]`.
        labels: Class of each waveform.
        groups: Optional group of each waveform.
        length: Number of samples of each example, or `None` for the longest.
        transform: Layer or function from float32 waveforms `[n, length]` to a
            tensor `[n, ...]`, applied to all here, or `None`.
        where: Function from the number of a waveform to its name in messages.
    """
    waveforms = _check_waveforms(waveforms, where or "waveforms[{}]".format)
    labels = check_labels(labels, "labels")
    samples = _fit_length(waveforms, length)  # (num_examples, length)
    if transform is not None:
        samples = _transform(transform, samples)
    source = array_source(samples, labels, groups, name="waveforms")
    if transform is not None or samples.dtype != np.int16:
        return source
    # 16 bits stay 16 bits in memory, and are scaled when they are drawn.
    load = source.load
    return dataclasses.replace(source, load=lambda ids: load(ids) * _SCALE)


def _transform(transform, samples):
    if not callable(transform):
        raise ValueError(
            "`transform` must be a layer or function from waveforms "
            "[n, length] to a tensor, such as `LogMel`. "
            f"Received: transform={transform!r}"
        )

    def batch(part):
        return tf.constant(_as_float(samples[part]))

    return apply_once(transform, batch, len(samples), _BATCH_SIZE, "transform")


def _as_float(samples):
    scale = _SCALE if samples.dtype == np.int16 else 1.0
    return samples.astype("float32") * np.float32(scale)


def _fit_length(waveforms, length):
    """Return waveforms as one array, cropped or filled up with zeros."""
    if length is None:
        length = max(map(len, waveforms))
    length = check_positive_int("length", length)
    samples = np.zeros((len(waveforms), length), waveforms[0].dtype)
    for row, waveform in zip(samples, waveforms):
        row[: len(waveform)] = waveform[:length]
    return samples


def _check_waveforms(waveforms, where):
    """Return a list of vectors of one dtype, or say which is none."""
    if isinstance(waveforms, (str, dict)) or not np.iterable(waveforms):
        raise ValueError(
            "`waveforms` must be a list of vectors, or an array "
            f"[num_examples, samples]. Received: a {type(waveforms).__name__}"
        )
    vectors = [_check_waveform(v, where, i) for i, v in enumerate(waveforms)]
    if not vectors:
        raise ValueError(
            "`waveforms` must hold one or more. Received: an empty list"
        )
    for i, vector in enumerate(vectors):
        if vector.dtype != vectors[0].dtype:
            raise ValueError(
                "All waveforms must be int16, or all floats. Received: "
                f"{where(0)} of dtype {vectors[0].dtype}, {where(i)} of dtype "
                f"{vector.dtype}"
            )
    return vectors


def _check_waveform(waveform, where, i):
    vector = np.asarray(waveform)
    if vector.ndim != 1 or not len(vector):
        raise ValueError(
            "A waveform must be a vector of one sample or more. Average the "
            f"channels of stereo first. Received: {where(i)} of shape "
            f"{vector.shape}"
        )
    if vector.dtype == np.int16:
        return vector
    if vector.dtype.kind != "f":
        raise ValueError(
            "Waveforms must be int16, which are scaled to [-1, 1), or floats, "
            "which are not scaled. Convert them first. Received: "
            f"{where(i)} of dtype {vector.dtype}"
        )
    with np.errstate(over="ignore"):  # Becomes infinite, seen below.
        vector = vector.astype("float32", copy=False)
    if not np.isfinite(vector).all():
        raise ValueError(
            "Waveforms must hold finite float32 numbers. Drop or repair this "
            f"one. Received: NaN or infinity in {where(i)}"
        )
    return vector
