import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)


def test_prototypes_are_class_means():
    z = GENERATOR.normal(size=(2, 7, 4))
    y = np.array([[0, 1, 2, 0, 1, 2, 2], [2, 2, 1, 1, 0, 0, 0]])
    received = km.ops.class_prototypes(z, y, 3)
    for t in range(2):
        for n in range(3):
            np.testing.assert_allclose(
                received[t, n], z[t][y[t] == n].mean(0), rtol=1e-12
            )


def test_masked_examples_do_not_count():
    z = GENERATOR.normal(size=(5, 4))
    y = np.array([0, 1, 0, 1, 2])
    mask = np.array([True, True, True, False, False])
    received = km.ops.class_prototypes(z, y, 3, mask).numpy()
    np.testing.assert_allclose(received[0], z[[0, 2]].mean(0))
    np.testing.assert_allclose(received[1], z[1])
    np.testing.assert_array_equal(received[2], 0)


def test_squared_distances():
    a, b = GENERATOR.normal(size=(2, 5, 4)), GENERATOR.normal(size=(2, 3, 4))
    expected = ((a[:, :, None] - b[:, None]) ** 2).sum(-1)
    np.testing.assert_allclose(
        km.ops.squared_distances(a, b), expected, rtol=1e-12
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_squared_distances_of_embeddings_that_share_an_offset(jit_compile):
    """In float32, where squared norms are four million and more."""
    a, b = GENERATOR.normal(size=(2, 5, 4)), GENERATOR.normal(size=(2, 3, 4))
    a, b = (1000 + a).astype("float32"), (1000 + b).astype("float32")
    difference = a[:, :, None].astype("float64") - b[:, None]

    @tf.function(jit_compile=jit_compile)
    def gradients(a, b):
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            distances = km.ops.squared_distances(a, b)
        return distances, *tape.gradient(distances, [a, b])

    distances, by_a, by_b = gradients(tf.constant(a), tf.constant(b))
    np.testing.assert_allclose(
        distances, (difference**2).sum(-1), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(by_a, 2 * difference.sum(2), atol=2e-3)
    np.testing.assert_allclose(by_b, -2 * difference.sum(1), atol=2e-3)
