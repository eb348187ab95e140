import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.meta_sgd import MetaSGD
from kerasmeta.testing.float64 import double_precision


def mlp(*middle):
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(6),
            *middle,
            keras.layers.Activation("tanh"),
            keras.layers.Dense(1),
        ]
    )


def make(network=None, learner=MetaSGD, **kwargs):
    keras.utils.set_random_seed(0)
    arguments = {"inner_learning_rate": 0.1, "inner_steps": 2, **kwargs}
    learner = learner(network or mlp(), **arguments)
    learner.compile(keras.optimizers.SGD(0.1), "mse")
    return learner


def episodes(dtype="float32"):
    generator = np.random.default_rng(0)
    x = {
        "support_x": generator.normal(size=(2, 5, 2)),
        "support_y": generator.normal(size=(2, 5, 1)),
        "query_x": generator.normal(size=(2, 4, 2)),
    }
    query_y = generator.normal(size=(2, 4, 1))
    return tf.nest.map_structure(lambda t: tf.constant(t, dtype), (x, query_y))


def test_constant_rates_are_maml():
    x, query_y = episodes()
    loss, _, gradients = make().meta_gradients(x, query_y)
    plain = make(None, km.learners.MAML)
    expected_loss, _, expected = plain.meta_gradients(x, query_y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    assert len(gradients) == 2 * len(expected)
    for one, other in zip(gradients, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def numpy_gradients(weights, rates, task):
    """Meta-gradients of linear regression after two steps, by hand."""
    support_x, query_x = task["support_x"], task["query_x"]

    def gradient(x, y, w):
        return 2 * x.T @ (x @ w - y) / len(x)

    hessian = 2 * support_x.T @ support_x / len(support_x)
    g0 = gradient(support_x, task["support_y"], weights)
    g1 = gradient(support_x, task["support_y"], weights - rates * g0)
    adapted = weights - rates * g0 - rates * g1
    after_1 = gradient(query_x, task["query_y"], adapted)
    # A step is w - rates * g(w): its Jacobian is I - diag(rates) H.
    after_0 = after_1 - hessian @ (rates * after_1)
    of_weights = after_0 - hessian @ (rates * after_0)
    return of_weights, -g1 * after_1 - g0 * after_0


def test_gradients_of_weights_and_rates_equal_a_numpy_derivation():
    with double_precision():
        x, query_y = episodes("float64")
        network = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(1, use_bias=False)]
        )
        learner = make(network)
        rates = np.array([[0.3], [-0.2]])
        learner.inner_optimizer.rates[0].assign(rates)
        _, _, received = learner.meta_gradients(x, query_y)
        weights = network.weights[0].numpy()
        tasks = [
            {key: t[i].numpy() for key, t in {**x, "query_y": query_y}.items()}
            for i in range(2)
        ]
        by_task = [numpy_gradients(weights, rates, task) for task in tasks]
    for one, other in zip(received, np.mean(by_task, axis=0)):
        np.testing.assert_allclose(one, other, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    layer = getattr(keras.layers, f"{norm}Normalization")()
    learner = make(mlp(layer))
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_fit_moves_the_rates_and_a_file_keeps_them(tmp_path):
    learner = make()
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    pairs = zip(
        loaded.inner_optimizer.rates,
        learner.inner_optimizer.rates,
        strict=True,
    )
    for one, other in pairs:
        assert (np.asarray(other) != np.float32(0.1)).all()
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_bad_rate():
    with pytest.raises(ValueError, match="Received: learning_rate=0"):
        make(inner_learning_rate=0)
