import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.meta_curvature import MetaCurvature
from kerasmeta.testing.float64 import double_precision


def mlp(*middle):
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(6),
            *middle,
            keras.layers.Activation("tanh"),
            keras.layers.Dense(2),
        ]
    )


def make(network=None, learner=MetaCurvature, **kwargs):
    keras.utils.set_random_seed(0)
    arguments = {"inner_learning_rate": 0.1, "inner_steps": 2, **kwargs}
    learner = learner(network or mlp(), **arguments)
    learner.compile(keras.optimizers.SGD(0.1), "mse")
    return learner


def episodes(dtype="float32"):
    generator = np.random.default_rng(0)
    x = {
        "support_x": generator.normal(size=(2, 5, 3)),
        "support_y": generator.normal(size=(2, 5, 2)),
        "query_x": generator.normal(size=(2, 4, 3)),
    }
    query_y = generator.normal(size=(2, 4, 2))
    return tf.nest.map_structure(lambda t: tf.constant(t, dtype), (x, query_y))


def test_identities_are_maml():
    x, query_y = episodes()
    loss, _, gradients = make().meta_gradients(x, query_y)
    plain = make(None, km.learners.MAML)
    expected_loss, _, expected = plain.meta_gradients(x, query_y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    # Two matrices for each kernel and one for each bias.
    assert len(gradients) == len(expected) + 6
    for one, other in zip(gradients, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def numpy_gradients(weights, m_i, m_o, rate, task):
    """Meta-gradients of linear regression after one step, by hand."""
    support_x = task["support_x"]

    def gradient(x, y, w):
        return 2 * x.T @ (x @ w - y) / y.size

    g = gradient(support_x, task["support_y"], weights)
    adapted = weights - rate * m_i @ g @ m_o.T
    u = gradient(task["query_x"], task["query_y"], adapted)
    hessian = 2 * support_x.T @ support_x / task["support_y"].size
    return (
        u - rate * hessian @ (m_i.T @ u @ m_o),
        -rate * u @ (g @ m_o.T).T,
        -rate * u.T @ (m_i @ g),
    )


def test_gradients_of_the_matrices_equal_a_numpy_derivation():
    with double_precision():
        x, query_y = episodes("float64")
        network = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, use_bias=False)]
        )
        learner = make(network, inner_steps=1)
        generator = np.random.default_rng(1)
        ((first, second),) = learner.inner_optimizer.matrices
        m_i, m_o = generator.normal(size=(3, 3)), generator.normal(size=(2, 2))
        first.assign(m_i)
        second.assign(m_o)
        _, _, received = learner.meta_gradients(x, query_y)
        weights = network.weights[0].numpy()
        tasks = [
            {key: t[i].numpy() for key, t in {**x, "query_y": query_y}.items()}
            for i in range(2)
        ]
        by_task = [
            numpy_gradients(weights, m_i, m_o, 0.1, task) for task in tasks
        ]
    for one, *others in zip(received, *by_task):
        np.testing.assert_allclose(one, np.mean(others, axis=0), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    layer = getattr(keras.layers, f"{norm}Normalization")()
    learner = make(mlp(layer))
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_fit_moves_the_matrices_and_a_file_keeps_them(tmp_path):
    learner = make()
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    pairs = zip(
        loaded.inner_optimizer.trainable_variables,
        learner.inner_optimizer.trainable_variables,
        strict=True,
    )
    for one, other in pairs:
        assert (np.asarray(other) != np.eye(other.shape[0])).any()
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_bad_rate():
    with pytest.raises(ValueError, match="Received: learning_rate=-1"):
        make(inner_learning_rate=-1)
