import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

learners = km.learners
HEADS = [
    learners.ProtoNet,
    learners.R2D2,
    learners.SimpleShot,
    learners.SoftKMeans,
    learners.Baseline,
]
X = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype("float32")
Y = np.arange(6) % 3


def feature_maps():
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 5, name="conv")]
    )


def pooled():
    return keras.Sequential(
        [feature_maps(), keras.layers.GlobalAveragePooling2D()]
    )


def cnaps(encoder):
    context = keras.Input((4,))
    images = keras.Input((8, 8, 1))
    outputs = km.layers.FiLM()([keras.layers.Flatten()(images), context])
    return learners.CNAPS(keras.Model([images, context], outputs), encoder)


@pytest.mark.parametrize("head", HEADS)
def test_feature_maps_are_refused(head):
    message = (
        r"`backbone` must return embeddings of shape \[n, D\].*pooling=\"avg\""
        r".*Received: a backbone with outputs of shape \(None, 4, 4, 4\)"
    )
    with pytest.raises(ValueError, match=message):
        head(feature_maps())


def test_heads_that_take_feature_maps():
    learner = learners.RelationNetwork(feature_maps(), filters=4)
    assert learner.predict_query(learner.adapt(X, Y), X).shape == (6, 3)


@pytest.mark.parametrize(
    "make",
    [
        *HEADS,
        lambda backbone: learners.R2D2(backbone, regression=True),
        cnaps,
    ],
)
@pytest.mark.parametrize("shape", [(8, 8, 3), (64,)])
def test_examples_of_a_wrong_shape(make, shape):
    learner = make(pooled())
    x = np.zeros((6, *shape), "float32")
    y = Y.astype("float32") if getattr(learner, "regression", False) else Y
    with pytest.raises(ValueError, match="does not take examples like those"):
        learner.adapted_model(x, y)
    learner.compile(loss="mse")
    data = tf.data.Dataset.from_tensors(
        ({"support_x": x, "support_y": y, "query_x": x}, y)
    )
    with pytest.raises(ValueError, match="does not take examples like those"):
        learner.evaluate(data.batch(1), verbose=0)


def test_examples_of_the_right_shape():
    """Also of images without channels, to which Keras adds that axis."""
    for learner in (cnaps(pooled()), learners.ProtoNet(pooled())):
        model = learner.adapted_model(X, Y)
        assert model.predict(X, verbose=0).shape == (6, 3)
    model = learner.adapted_model(X[..., 0], Y)
    assert model.predict(X[..., 0], verbose=0).shape == (6, 3)
