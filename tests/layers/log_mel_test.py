import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.log_mel import LogMel


def by_hand(waveform, rate, length, step, fft, bands, low, high, floor):
    """Compute a log-mel spectrogram with NumPy, in float64."""
    edges = [2595 * np.log10(1 + hz / 700) for hz in (low, high)]
    edges = 700 * (10 ** (np.linspace(*edges, bands + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(fft, 1 / rate)
    rows = []
    for start in range(0, len(waveform) - length + 1, step):
        frame = waveform[start : start + length] * np.hanning(length)
        power = np.abs(np.fft.rfft(frame, fft)) ** 2
        triangles = [
            np.interp(hz, edges[i : i + 3], [0, 1, 0]) for i in range(bands)
        ]
        rows.append(np.log(np.array(triangles) @ power + floor))
    return np.array(rows)


def test_values_are_those_of_numpy():
    waveforms = np.random.default_rng(0).uniform(-1, 1, (3, 1000))
    layer = LogMel(16000, 200, 90, 512, 20, 100, 7000, 1e-4)
    found = layer(waveforms)
    assert found.shape == (3, 9, 20)
    assert layer.compute_output_shape((None, 1000)) == (None, 9, 20)
    for spectrogram, waveform in zip(found, waveforms):
        expected = by_hand(waveform, 16000, 200, 90, 512, 20, 100, 7000, 1e-4)
        np.testing.assert_allclose(spectrogram, expected, atol=1e-4)


def test_features_of_spoken_digits_are_reproduced(shared_file):
    waves = np.load(shared_file("data", "fsdd", "fsdd_wave_8k_i16.npz"))
    path = shared_file("data", "fsdd", "fsdd_logmel_64x40_f16.npz")
    ids = np.arange(0, 3000, 60)
    expected = np.load(path)["features"][ids]
    samples, offsets = waves["samples"], waves["offsets"]
    # 64 frames, the first 1.04 s.
    waveforms = np.zeros((len(ids), 63 * 128 + 256), "float32")
    for row, i in zip(waveforms, ids):
        waveform = samples[offsets[i] : offsets[i + 1]][: len(row)]
        row[: len(waveform)] = waveform / 32768
    found = LogMel(sample_rate=8000)(waveforms).numpy()
    # Half a step of float16, which is 2**-7 below 16, and the error of float32.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2**-8 + 2e-4)
    assert np.mean(found.astype("float16") == expected) > 0.999


def test_a_network_with_it_is_saved(tmp_path):
    inputs = keras.Input((1000,))
    layer = LogMel(8000, fft_length=1024, floor=1e-3)
    network = keras.Model(inputs, layer(inputs))
    assert network.output_shape == (None, 6, 40)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    x = np.random.default_rng(0).uniform(-1, 1, (2, 1000)).astype("float32")
    np.testing.assert_array_equal(loaded(x), network(x))
    assert loaded.layers[-1].get_config() == layer.get_config()


def test_half_precision_is_only_for_the_result():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 1000)).astype("float32")
    half = LogMel(8000, dtype="mixed_float16")(x)
    assert half.dtype == tf.float16
    np.testing.assert_allclose(half, LogMel(8000)(x), atol=0.005)


def test_tasks_can_be_vectorized():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 500)).astype("float32")
    layer = LogMel(8000)
    found = tf.vectorized_map(layer, x, fallback_to_while_loop=False)
    np.testing.assert_allclose(found, layer(x), rtol=1e-5)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"sample_rate": 0}, "sample_rate=0"),
        ({"frame_length": 1}, "frame_length=1"),
        ({"fft_length": 128}, "at least 256.*fft_length=128"),
        ({"floor": 0}, "floor=0"),
        ({"lower_hz": 4000}, "lower_hz < upper_hz.*lower_hz=4000"),
        ({"upper_hz": 4001}, "which is 4000.*upper_hz=4001"),
        ({"mel_bands": 200}, "fewer `mel_bands`.*mel_bands=200.*empty"),
    ],
)
def test_bad_arguments_are_said(options, words):
    with pytest.raises(ValueError, match=words):
        LogMel(**{"sample_rate": 8000, **options})


def test_a_short_waveform_is_said():
    with pytest.raises(ValueError, match="255 samples, frame_length=256"):
        LogMel(8000)(np.zeros((1, 255), "float32"))
