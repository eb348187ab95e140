import keras
import numpy as np
import pytest

from kerasmeta.layers.relation_module import RelationModule

GENERATOR = np.random.default_rng(0)


def convolved(x, kernel, bias):
    """A padded 3x3 convolution of one image, by loops."""
    height, width, _ = x.shape
    x = np.pad(x, [(1, 1), (1, 1), (0, 0)])
    outputs = np.zeros((height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            patch = x[i : i + 3, j : j + 3]
            outputs[i, j] = np.einsum("abc,abcf->f", patch, kernel) + bias
    return outputs


def pooled(x):
    height, width, channels = x.shape
    x = x[: height // 2 * 2, : width // 2 * 2]
    return x.reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))


def scored_by_hand(weights, x):
    """The module with moving statistics, for one pair, in float64."""
    weights = [w.astype("float64") for w in weights]
    for _ in range(2):
        kernel, bias, gamma, beta, mean, variance = weights[:6]
        x = convolved(x, kernel, bias) if x.ndim == 3 else x @ kernel + bias
        x = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
        x = np.maximum(x, 0)
        x = pooled(x) if x.ndim == 3 else x
        weights = weights[6:]
    hidden = np.maximum(x.ravel() @ weights[0] + weights[1], 0)
    return hidden @ weights[2] + weights[3]


@pytest.mark.parametrize("shape", [(5, 4, 6), (6,)])
def test_is_what_the_paper_says(shape):
    pairs = GENERATOR.normal(size=(3, *shape)).astype("float32")
    layer = RelationModule(filters=4, hidden_units=3)
    layer.build(pairs.shape)
    # Variances are positive, and everything else may be.
    layer.set_weights(
        [0.5 + GENERATOR.uniform(size=w.shape) for w in layer.get_weights()]
    )
    for variable in layer.trainable_variables:
        variable.assign(GENERATOR.normal(size=variable.shape))
    outputs = layer(pairs)
    assert outputs.shape == (3, 1)
    weights = [v.numpy() for part in layer.scorer.layers for v in part.weights]
    expected = [scored_by_hand(weights, pair) for pair in pairs]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


def test_is_saved_with_its_model(tmp_path):
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, RelationModule(filters=3)(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    pairs = GENERATOR.normal(size=(2, 4, 4, 2))
    np.testing.assert_allclose(loaded(pairs), model(pairs), rtol=1e-5)


@pytest.mark.parametrize(
    "shape", [(3, 3, 8, 2), (3, None, 8, 2), (3, 8, 2), (3, None)]
)
def test_wrong_inputs(shape):
    with pytest.raises(ValueError, match="Received: shape="):
        RelationModule().build(shape)


@pytest.mark.parametrize("name", ["filters", "hidden_units"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        RelationModule(**{name: 0})
