import numpy as np

import kerasmeta as km

GENERATOR = np.random.default_rng(0)


def by_hand(z, y, ridge):
    """The covariances of one task, with `numpy.cov`."""
    size = z.shape[-1]
    covariances = []
    for n in range(y.max() + 1):
        own = z[y == n]
        cov = np.cov(own.T) if len(own) > 1 else np.zeros((size, size))
        share = len(own) / (len(own) + 1)
        mixed = share * cov + (1 - share) * np.cov(z.T)
        covariances.append(mixed + ridge * np.eye(size))
    return covariances


def test_are_those_of_the_paper():
    z = 3 + GENERATOR.normal(size=(2, 9, 4))
    # Classes with one example, with two and with several.
    y = np.array([[0, 1, 2, 0, 2, 2, 2, 2, 2], [2, 2, 1, 1, 0, 0, 0, 0, 0]])
    received = km.ops.class_covariances(z, y, 3, ridge=0.7)
    for t in range(2):
        np.testing.assert_allclose(
            received[t], by_hand(z[t], y[t], 0.7), rtol=1e-10, atol=1e-12
        )


def test_padding_does_not_count():
    z, y = GENERATOR.normal(size=(1, 7, 3)), np.array([[0, 1, 0, 1, 1, 1, 0]])
    mask = np.array([[True, True, True, False, True, False, False]])
    np.testing.assert_allclose(
        km.ops.class_covariances(z, y, 2, mask)[0],
        by_hand(z[0, mask[0]], y[0, mask[0]], 1.0),
        rtol=1e-10,
        atol=1e-12,
    )


def test_a_single_example_leaves_the_identity():
    received = km.ops.class_covariances(np.ones((1, 1, 3)), [[0]], 2)
    np.testing.assert_allclose(received[0], [np.eye(3)] * 2)
