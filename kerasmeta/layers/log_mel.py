"""Waveforms to log-mel spectrograms."""

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class LogMel(keras.layers.Layer):
    """Log-mel spectrogram: what speech and sound models listen to.

    Use it as the transform of `episodes_from_waveforms`, which is fast, or as
    the first layer of a network, so that the saved model takes waveforms.
    `keras.layers.MelSpectrogram` differs: it returns decibels, with the bands
    before the frames.

    Frames of the waveform are weighted by a symmetric Hann window `w`, and
    their power spectrum is summed by triangular bands `M`, which are equally
    wide on the mel scale of `2595 log10(1 + hz / 700)`:

    `y = log(|FFT(w * frame)|^2 M + floor)`

    There is no padding: `frames = 1 + (samples - frame_length) // frame_step`,
    and samples after the last whole frame are left out.

    Reference: Davis and Mermelstein, 1980, "Comparison of parametric
    representations for monosyllabic word recognition in continuously spoken
    sentences", IEEE Transactions on Acoustics, Speech, and Signal Processing.

    Args:
        sample_rate: Samples in a second, such as 8000.
        frame_length: Samples in a frame. 256 are 32 ms at 8000 Hz.
        frame_step: Samples from one frame to the next.
        fft_length: Size of the Fourier transform, at least `frame_length`, or
            `None` for twice the smallest power of two that is.
        mel_bands: Number of bands.
        lower_hz: Lower end of the lowest band.
        upper_hz: Upper end of the highest band, or `None` for half of
            `sample_rate`.
        floor: Added to the energies, so that silence has a logarithm. Fits
            waveforms in [-1, 1).
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call arguments:
        inputs: Waveforms, `[..., samples]`, floats in [-1, 1).

    Returns:
        Spectrograms, `[..., frames, mel_bands]`.

    Raises:
        ValueError: If an argument is not what it should be, bands are too
            narrow for `fft_length`, or a waveform is shorter than a frame.

    Example:

    >>> waveforms = np.random.default_rng(0).uniform(-1, 1, (2, 8000))
    >>> km.layers.LogMel(sample_rate=8000)(waveforms).shape
    TensorShape([2, 61, 40])
    """

    def __init__(
        self,
        sample_rate,
        frame_length=256,
        frame_step=128,
        fft_length=None,
        mel_bands=40,
        lower_hz=60.0,
        upper_hz=None,
        floor=1e-6,
        **kwargs,
    ):
        # A Fourier transform in half precision is not to be had.
        super().__init__(autocast=False, **kwargs)
        self.sample_rate = check_positive_int("sample_rate", sample_rate)
        self.frame_length = check_positive_int("frame_length", frame_length, 2)
        self.frame_step = check_positive_int("frame_step", frame_step)
        if fft_length is None:
            fft_length = 2 * 2 ** (self.frame_length - 1).bit_length()
        self.fft_length = check_positive_int(
            "fft_length", fft_length, minimum=self.frame_length
        )
        self.mel_bands = check_positive_int("mel_bands", mel_bands)
        self.lower_hz = check_positive_number("lower_hz", lower_hz)
        self.upper_hz = check_positive_number(
            "upper_hz", self.sample_rate / 2 if upper_hz is None else upper_hz
        )
        self.floor = check_positive_number("floor", floor)
        self._check_range()
        self._bands = self._triangles()
        self._check_bands()

    def build(self, input_shape):
        samples = input_shape[-1]
        if samples is not None and samples < self.frame_length:
            raise ValueError(
                "Waveforms must be at least as long as a frame. Pad them, or "
                "use a smaller `frame_length`. Received: "
                f"{samples} samples, frame_length={self.frame_length}"
            )
        super().build(input_shape)

    def call(self, inputs):
        spectrum = tf.signal.stft(
            tf.cast(inputs, "float32"),
            self.frame_length,
            self.frame_step,
            self.fft_length,
            window_fn=_symmetric_hann,
        )
        power = tf.square(tf.math.real(spectrum)) + tf.square(
            tf.math.imag(spectrum)
        )
        energies = tf.tensordot(power, self._bands, axes=1)
        return tf.cast(tf.math.log(energies + self.floor), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        *batch, samples = input_shape
        if samples is not None:
            samples = 1 + (samples - self.frame_length) // self.frame_step
        return (*batch, samples, self.mel_bands)

    def get_config(self):
        return {
            **super().get_config(),
            "sample_rate": self.sample_rate,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "fft_length": self.fft_length,
            "mel_bands": self.mel_bands,
            "lower_hz": self.lower_hz,
            "upper_hz": self.upper_hz,
            "floor": self.floor,
        }

    def _triangles(self):
        """Return the weight of each frequency in each band."""
        low, high = (
            2595 * np.log10(1 + hz / 700)
            for hz in (self.lower_hz, self.upper_hz)
        )
        edges = np.linspace(low, high, self.mel_bands + 2)
        edges = 700 * (10 ** (edges / 2595) - 1)
        lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
        hz = np.arange(self.fft_length // 2 + 1)[:, None]
        hz = hz * self.sample_rate / self.fft_length
        rise = (hz - lower) / (center - lower)
        fall = (upper - hz) / (upper - center)
        triangles = np.maximum(0, np.minimum(rise, fall))
        return triangles.astype("float32")  # (fft_length / 2 + 1, mel_bands)

    def _check_range(self):
        half = self.sample_rate / 2
        if not self.lower_hz < self.upper_hz <= half:
            raise ValueError(
                "Bands must have lower_hz < upper_hz <= sample_rate / 2, which "
                f"is {half:g}. Received: lower_hz={self.lower_hz:g}, "
                f"upper_hz={self.upper_hz:g}"
            )

    def _check_bands(self):
        empty = np.flatnonzero(self._bands.sum(axis=0) == 0)
        if len(empty):
            raise ValueError(
                "Each band must hold a frequency of the Fourier transform. Use "
                "fewer `mel_bands` or a larger `fft_length`. Received: "
                f"mel_bands={self.mel_bands}, fft_length={self.fft_length}, "
                f"{len(empty)} bands empty"
            )


def _symmetric_hann(length, dtype):
    return tf.signal.hann_window(length, periodic=False, dtype=dtype)
