import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.cosine_dense import CosineDense

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(2, 5, 4))
KERNEL = GENERATOR.normal(size=(4, 3))


def layer_of(dtype="float64", **kwargs):
    layer = CosineDense(3, dtype=dtype, **kwargs)
    layer.build((None, 4))
    layer.set_weights([KERNEL])
    return layer


def cosines(x, kernel):
    """One pair at a time."""
    return np.array(
        [
            [x_i @ w / np.sqrt((x_i @ x_i) * (w @ w)) for w in kernel.T]
            for x_i in x.reshape(-1, 4)
        ]
    ).reshape(*x.shape[:-1], -1)


def test_formula():
    np.testing.assert_allclose(
        layer_of(scale=7.0)(X), 7 * cosines(X, KERNEL), rtol=1e-12
    )
    assert layer_of().compute_output_shape((2, 5, 4)) == (2, 5, 3)


def test_lengths_do_not_matter():
    layer = layer_of()
    before = layer(X)
    layer.set_weights([100 * KERNEL])
    np.testing.assert_allclose(layer(1e-3 * X), before, rtol=1e-12)


def test_gradients_are_those_of_the_formula():
    layer = layer_of()
    signs = GENERATOR.normal(size=(2, 5, 3))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(X) * signs)
    [received] = tape.gradient(total, layer.trainable_variables)
    for i, j in np.ndindex(KERNEL.shape):
        step = np.zeros_like(KERNEL)
        step[i, j] = 1e-6
        values = [
            np.sum(2 * cosines(X, KERNEL + s) * signs) for s in (step, -step)
        ]
        slope = (values[0] - values[1]) / 2e-6
        assert float(received[i, j]) == pytest.approx(slope, rel=1e-6)


def test_an_example_of_zeros_gives_zeros_and_no_nan():
    layer = layer_of("float32")
    x = tf.zeros((1, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = layer(x)
    np.testing.assert_array_equal(logits, np.zeros((1, 3)))
    gradients = tape.gradient(logits, [x, *layer.trainable_variables])
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_half_precision(policy):
    layer = layer_of(policy)
    # Lengths whose squares float16 does not have.
    layer.set_weights([300 * KERNEL])
    x = tf.constant(np.concatenate([300 * X[0], np.zeros((1, 4))]), "float16")
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = layer(x)
    assert logits.dtype == "float16"
    np.testing.assert_allclose(
        logits[:-1], 2 * cosines(X[0], KERNEL), atol=0.01
    )
    assert (logits[-1].numpy() == 0).all()
    gradients = tape.gradient(logits, [x, *layer.trainable_variables])
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_is_saved_with_its_model(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(
        inputs, CosineDense(3, scale=10.0, kernel_initializer="ones")(inputs)
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(X[0]), model(X[0]))


@pytest.mark.parametrize("name", ["units", "scale"])
def test_wrong_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        CosineDense(**{"units": 3, name: 0})
