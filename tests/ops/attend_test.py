import numpy as np
import tensorflow as tf

from kerasmeta.ops.attend import attend

GENERATOR = np.random.default_rng(0)
QUERIES, KEYS = (
    GENERATOR.normal(size=(2, 3, 4)),
    GENERATOR.normal(size=(2, 5, 4)),
)
VALUES = GENERATOR.normal(size=(2, 5, 6))


def attended_by_hand(query, keys, values):
    scores = keys @ query / np.sqrt(len(query))
    return np.exp(scores) / np.exp(scores).sum() @ values


def test_each_head_attends_by_itself():
    received = attend(*map(tf.constant, (QUERIES, KEYS, VALUES)), heads=2)
    for t in range(2):
        for q in range(3):
            expected = np.concatenate(
                [
                    attended_by_hand(
                        QUERIES[t, q, 2 * h : 2 * h + 2],
                        KEYS[t, :, 2 * h : 2 * h + 2],
                        VALUES[t, :, 3 * h : 3 * h + 3],
                    )
                    for h in range(2)
                ]
            )
            np.testing.assert_allclose(received[t, q], expected, rtol=1e-12)


def test_looks_only_where_the_mask_allows():
    mask = np.array([[[True, False, True, False, False]]] * 2)
    seen = attend(*map(tf.constant, (QUERIES, KEYS, VALUES)), mask)
    kept = (tf.constant(t[:, [0, 2]]) for t in (KEYS, VALUES))
    np.testing.assert_allclose(seen, attend(tf.constant(QUERIES), *kept))
