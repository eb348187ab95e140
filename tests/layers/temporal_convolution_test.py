import keras
import numpy as np
import pytest

from kerasmeta.layers.temporal_convolution import TemporalConvolution

GENERATOR = np.random.default_rng(0)
SEQUENCES = GENERATOR.normal(size=(2, 5, 4)).astype("float32")


def made(dilation):
    layer = TemporalConvolution(filters=3, dilation=dilation)
    layer.build(SEQUENCES.shape)
    return layer


def convolved_by_hand(layer, sequence):
    """Step by step, in float64."""
    x = sequence.astype("float64")
    kernel, bias = layer.taps.get_weights()
    outputs = []
    for t, now in enumerate(x):
        d = layer.dilation
        before = x[t - d] if t >= d else np.zeros(4)
        both = before @ kernel[:4] + now @ kernel[4:] + bias
        appended = np.tanh(both[:3]) / (1 + np.exp(-both[3:]))
        outputs.append(np.concatenate([now, appended]))
    return np.array(outputs)


@pytest.mark.parametrize("dilation", [1, 2, 7])
def test_is_what_the_paper_says(dilation):
    layer = made(dilation)
    outputs = layer(SEQUENCES)
    for t in range(2):
        np.testing.assert_allclose(
            outputs[t],
            convolved_by_hand(layer, SEQUENCES[t]),
            rtol=1e-4,
            atol=1e-6,
        )


def test_is_saved_with_its_model(tmp_path):
    x = keras.Input((None, 4))
    model = keras.Model(x, TemporalConvolution(3, 2)(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(SEQUENCES), model(SEQUENCES), rtol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: filters=0"):
        TemporalConvolution(0)
    with pytest.raises(ValueError, match="Received: dilation=0"):
        TemporalConvolution(3, 0)
