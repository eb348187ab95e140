import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.tasks import GaussianProcessCurves

KERNELS = ("rbf", "matern52", "periodic")


def by_hand(kernel, x, y):
    """Covariance at length scale 0.7 and period 1.5."""
    d = np.abs(x - y.T)
    if kernel == "rbf":
        return np.exp(-((d / 0.7) ** 2) / 2)
    if kernel == "periodic":
        return np.exp(-2 * (np.sin(np.pi * d / 1.5) / 0.7) ** 2)
    u = 5**0.5 * d / 0.7
    return (1 + u + u**2 / 3) * np.exp(-u)


@pytest.mark.parametrize("kernel", KERNELS)
def test_covariance(kernel):
    curves = GaussianProcessCurves(kernel, length_scale=0.7, period=1.5)
    x, y = np.linspace(-2, 2, 7)[:, None], np.linspace(-1, 3, 5)[:, None]
    received = curves.covariance(x, y)
    np.testing.assert_allclose(received, by_hand(kernel, x, y), rtol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_curves_have_that_covariance(kernel):
    curves = GaussianProcessCurves(kernel, 4, 5, 0.7, 1.5, noise=0.2)
    x, query_y = next(iter(curves.episodes(batch_size=600)))
    inputs = np.concatenate([x["support_x"], x["query_x"]], 1)
    outputs = np.concatenate([x["support_y"], query_y], 1)
    assert -2 <= inputs.min() < -1.9 < 1.9 < inputs.max() < 2
    white = []
    for task_x, task_y in zip(inputs.astype("float64"), outputs):
        covariance = by_hand(kernel, task_x, task_x) + 0.2**2 * np.eye(9)
        white.append(np.linalg.solve(np.linalg.cholesky(covariance), task_y))
    white = np.array(white)[..., 0]
    # Independent standard normals, within four standard errors.
    np.testing.assert_allclose(white.mean(0), 0, atol=4 / 600**0.5)
    np.testing.assert_allclose(
        np.cov(white.T), np.eye(9), atol=4 * (2 / 600) ** 0.5
    )


def test_an_episode_is_a_pure_function_of_seed_and_index():
    curves = GaussianProcessCurves(shots=(2, 6), queries=3)
    batches = {
        size: [x for x, _ in curves.episodes(size, seed=3, num_episodes=8)]
        for size in (4, 1)
    }
    fours, ones = (
        np.concatenate([x["support_y"] for x in batches[size]])
        for size in (4, 1)
    )
    np.testing.assert_allclose(fours, ones, atol=1e-6)
    alone, _ = curves.task(tf.constant([3, 7], "int64"))
    np.testing.assert_allclose(fours[7], alone["support_y"], atol=1e-5)
    other, _ = next(iter(curves.episodes(8, seed=4)))
    assert not np.isclose(fours, other["support_y"]).any()


def test_shots_vary_in_their_range():
    curves = GaussianProcessCurves(shots=(2, 5), queries=3)
    x, _ = next(iter(curves.episodes(batch_size=200)))
    counts = x["support_mask"].numpy().sum(axis=1)
    assert set(counts) == {2, 3, 4, 5}
    # What is real comes first.
    assert (np.diff(x["support_mask"].numpy().astype(int)) <= 0).all()
    fixed, _ = next(iter(GaussianProcessCurves(shots=4).episodes()))
    assert set(fixed) == {"support_x", "support_y", "query_x"}


@pytest.mark.parametrize(
    "name, value",
    [
        ("kernel", "'linear'"),
        ("shots", 0),
        ("queries", (2, 3)),
        ("length_scale", 0),
        ("period", -1),
        ("noise", 0),
    ],
)
def test_bad_arguments(name, value):
    given = "linear" if name == "kernel" else value
    with pytest.raises(ValueError, match="Received: "):
        GaussianProcessCurves(**{name: given})
