import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.seeded_noise import normals_of_tasks
from kerasmeta.ops.seeded_noise import seed_of_task
from kerasmeta.ops.seeded_noise import seeded_dropout
from kerasmeta.ops.seeded_noise import seeded_normals
from kerasmeta.ops.seeded_noise import seeded_uniforms

SEED = tf.constant([3, 4], "int64")


def test_moments():
    normals = seeded_normals([200, 100], SEED).numpy()
    assert normals.shape == (200, 100)
    assert abs(normals.mean()) < 0.03 and abs(normals.std() - 1) < 0.03
    uniforms = seeded_uniforms([20000], SEED).numpy()
    assert uniforms.min() >= 0 and uniforms.max() < 1
    assert abs(uniforms.mean() - 0.5) < 0.01


@pytest.mark.parametrize("other", [(3, 5), (4, 3), (-3, 4)])
def test_seeds_differ(other):
    one = seeded_normals([1000], SEED)
    two = seeded_normals([1000], tf.constant(other, "int64"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.1


def test_tasks_have_noise_of_their_own():
    together = normals_of_tasks(5, 200, SEED).numpy()
    assert np.abs(np.corrcoef(together) - np.eye(5)).max() < 0.3
    # As a replica draws it for the last tasks of a meta-batch.
    rest = normals_of_tasks(2, 200, seed_of_task(SEED, 3))
    np.testing.assert_array_equal(rest, together[3:])
    np.testing.assert_array_equal(seed_of_task(SEED, 0), SEED)


def test_dropout_keeps_the_mean():
    x = tf.ones([100, 100], "float16")
    dropped = seeded_dropout(x, 0.25, SEED)
    assert dropped.dtype == tf.float16
    values, counts = np.unique(dropped, return_counts=True)
    np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-3)
    assert abs(counts[0] / 10000 - 0.25) < 0.02


@pytest.mark.parametrize("draw", [seeded_normals, seeded_uniforms])
def test_xla_draws_the_same(draw):
    compiled = tf.function(lambda s: draw([50], s), jit_compile=True)
    np.testing.assert_allclose(
        compiled(SEED), draw([50], SEED), rtol=1e-4, atol=1e-6
    )
