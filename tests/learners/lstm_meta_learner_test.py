import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.lstm_meta_learner import LSTMMetaLearner


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


def make(network=None, learner=LSTMMetaLearner, **kwargs):
    keras.utils.set_random_seed(0)
    arguments = {"inner_learning_rate": 0.1, "inner_steps": 2, **kwargs}
    learner = learner(network or mlp(), **arguments)
    learner.compile(keras.optimizers.SGD(0.1), "mse")
    return learner


def episodes():
    generator = np.random.default_rng(0)
    x = {
        "support_x": generator.normal(size=(2, 5, 2)),
        "support_y": generator.normal(size=(2, 5, 1)),
        "query_x": generator.normal(size=(2, 4, 2)),
    }
    query_y = generator.normal(size=(2, 4, 1))
    return tf.nest.map_structure(
        lambda t: tf.constant(t, "float32"), (x, query_y)
    )


def open_the_forget_gate(learner):
    """Make the gates constants: no decay, and the learner's rate."""
    optimizer = learner.inner_optimizer
    for kernel, _ in (optimizer.input_gate, optimizer.forget_gate):
        kernel.assign(tf.zeros_like(kernel))
    optimizer.forget_gate[1].assign(100.0)


@pytest.mark.parametrize("first_order", [False, True])
def test_constant_gates_are_maml(first_order):
    x, query_y = episodes()
    learner = make(first_order=first_order)
    open_the_forget_gate(learner)
    loss, _, gradients = learner.meta_gradients(x, query_y)
    plain = make(None, km.learners.MAML, first_order=first_order)
    expected_loss, _, expected = plain.meta_gradients(x, query_y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for one, other in zip(gradients, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_one_lstm_serves_all_weights():
    small, large = make(), make(km.backbones.mlp((2,), 1))
    count = small.inner_optimizer.count_params()
    assert large.inner_optimizer.count_params() == count


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    layer = getattr(keras.layers, f"{norm}Normalization")()
    learner = make(mlp(layer))
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_a_dead_unit_spoils_nothing():
    # Its gradients are zero, where a logarithm would be infinite.
    dead = keras.layers.Dense(
        4, "relu", bias_initializer=keras.initializers.Constant(-1e3)
    )
    for gradient in make(mlp(dead)).meta_gradients(*episodes())[2]:
        assert np.isfinite(gradient).all()


@pytest.mark.slow
def test_fit_and_a_file(tmp_path):
    learner = make(first_order=True)
    before = learner.inner_optimizer.get_weights()
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    after = learner.inner_optimizer.get_weights()
    assert all((a != b).any() for a, b in zip(after, before))
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    for one, other in zip(loaded.inner_optimizer.get_weights(), after):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_bad_rate():
    with pytest.raises(ValueError, match="Received: learning_rate=2"):
        make(inner_learning_rate=2)
