import numpy as np
import tensorflow as tf

from kerasmeta.ops.soft_members import class_mask
from kerasmeta.ops.soft_members import class_softmax
from kerasmeta.ops.soft_members import mean_of
from kerasmeta.ops.soft_members import member_means

GENERATOR = np.random.default_rng(0)
MEMBERS = GENERATOR.uniform(size=(2, 5, 3))
MEMBERS[1, :, 2] = 0
FEATURES = GENERATOR.normal(size=(2, 5, 4))


def test_means():
    received = member_means(MEMBERS, FEATURES)
    for t in range(2):
        for n in range(3 - t):
            expected = np.average(FEATURES[t], axis=0, weights=MEMBERS[t, :, n])
            np.testing.assert_allclose(received[t, n], expected, rtol=1e-12)
    np.testing.assert_array_equal(received[1, 2], 0)
    mean = mean_of(FEATURES, MEMBERS[..., :1])
    np.testing.assert_allclose(mean[:, 0], received[:, 0], rtol=1e-12)


def test_absent_classes_have_no_share():
    is_class = class_mask(MEMBERS)
    np.testing.assert_array_equal(
        np.asarray(is_class) > 0, [[[1, 1, 1]], [[1, 1, 0]]]
    )
    logits = tf.constant([[[0.0, np.log(3), 50.0]]])
    shares = class_softmax(logits, tf.constant([[[1.0, 1.0, 0.0]]]))
    np.testing.assert_allclose(shares, [[[0.25, 0.75, 0.0]]], rtol=1e-6)
