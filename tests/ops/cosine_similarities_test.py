import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)


def test_cosines():
    a, b = GENERATOR.normal(size=(2, 5, 4)), GENERATOR.normal(size=(2, 3, 4))
    received = km.ops.cosine_similarities(a, b)
    for t in range(2):
        for q in range(5):
            for n in range(3):
                norms = np.linalg.norm(a[t, q]) * np.linalg.norm(b[t, n])
                expected = a[t, q] @ b[t, n] / norms
                np.testing.assert_allclose(
                    received[t, q, n], expected, rtol=1e-12
                )


def test_zeros_have_no_direction_and_finite_gradients():
    a = tf.constant([[0.0, 0.0], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(a)
        cosines = km.ops.cosine_similarities(a, a)
    assert cosines[0].numpy().tolist() == [0.0, 0.0]
    assert np.isfinite(tape.gradient(cosines, a)).all()


@pytest.mark.parametrize(
    "dtype, error", [("float16", 1e-3), ("bfloat16", 8e-3)]
)
def test_half_precision(dtype, error):
    a = tf.constant([[300.0, 400.0], [1e-3, 0.0], [0.0, 0.0]], dtype)
    with tf.GradientTape() as tape:
        tape.watch(a)
        cosines = km.ops.cosine_similarities(a, a)
    assert cosines.dtype == dtype
    np.testing.assert_allclose(
        tf.cast(cosines, "float32"),
        [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 0]],
        atol=error,
    )
    gradient = tf.cast(tape.gradient(cosines, a), "float32")
    assert np.isfinite(gradient).all()
