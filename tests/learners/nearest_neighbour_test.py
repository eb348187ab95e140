import keras
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

import kerasmeta as km


@pytest.mark.usefixtures("float64")
def test_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    support, query = generator.normal(size=(2, 30, 3))
    labels = np.arange(30) % 3
    inputs = keras.Input((3,))
    learner = km.learners.NearestNeighbour(keras.Model(inputs, inputs))
    logits = learner.predict_query(learner.adapt(support, labels), query)
    reference = KNeighborsClassifier(1).fit(support, labels)
    np.testing.assert_array_equal(
        np.argmax(logits, axis=1), reference.predict(query)
    )
    distances, _ = reference.kneighbors(query)
    np.testing.assert_allclose(
        np.max(logits, axis=1), -(distances[:, 0] ** 2), rtol=1e-9, atol=1e-9
    )
