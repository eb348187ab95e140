"""Reading WAV files."""

import os

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.error_reason import error_reason


def read_wav(path):
    """Read a WAV file of 16-bit PCM.

    Args:
        path: The file.

    Returns:
        `(samples, sample_rate)`: an int16 vector, in which several channels
        are averaged, and an integer.
    """
    try:
        channels, rate = tf.audio.decode_wav(tf.io.read_file(os.fsencode(path)))
    # TensorFlow quotes what it does not know, which may be no UTF-8.
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise ValueError(
            "A WAV file must be whole, and hold 16-bit PCM samples. Convert it "
            f"first, or remove it. Received: {str(path)!r}, where "
            f"{_reason(error)}"
        ) from error
    if not len(channels):
        raise ValueError(
            "A WAV file must hold one sample or more. Remove it. "
            f"Received: {str(path)!r}, which has none"
        )
    samples = np.mean(channels.numpy(), axis=1, dtype="float64")
    return np.rint(samples * 2**15).astype("int16"), int(rate)


def _reason(error):
    if isinstance(error, UnicodeDecodeError):
        return "the header has unknown parts"
    reason = error_reason(error)
    if "format chunk size" in reason:
        return "the header is a WAVE_FORMAT_EXTENSIBLE, not that of plain PCM"
    return reason
