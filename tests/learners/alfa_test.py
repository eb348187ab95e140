import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.alfa import ALFA


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


def make(network=None, learner=ALFA, **kwargs):
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


def test_multipliers_of_one_without_decay_are_maml():
    x, query_y = episodes()
    learner = make()
    learner.inner_optimizer.decays.assign(np.zeros((2, 4)))
    loss, _, gradients = learner.meta_gradients(x, query_y)
    plain = make(None, km.learners.MAML)
    expected_loss, _, expected = plain.meta_gradients(x, query_y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for one, other in zip(gradients, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_tasks_get_rates_of_their_own():
    # The generator is made linear: a multiplier is 11 plus the mean of one
    # gradient, which differs from task to task.
    learner = make(inner_steps=1)
    optimizer = learner.inner_optimizer
    optimizer.decays.assign(np.zeros((1, 4)))
    kernel, bias, last_kernel, _ = optimizer.generator.weights
    kernel.assign(np.eye(8))
    bias.assign(np.full(8, 10.0))  # the ReLU never cuts
    last_kernel.assign(np.roll(np.eye(8), 4, axis=0))
    x, _ = episodes()
    multipliers = []
    for task in range(2):
        support_x, support_y = x["support_x"][task], x["support_y"][task]
        with tf.GradientTape() as tape:
            loss = learner.compute_loss(
                y=support_y, y_pred=learner.network(support_x)
            )
        variables = learner.network.trainable_variables
        gradients = [g.numpy() for g in tape.gradient(loss, variables)]
        means = [np.mean(t) for t in [*variables, *gradients]]
        expected = 1 + (np.array(means) + 10) @ last_kernel.numpy()
        state = learner.adapt(support_x, support_y)
        for k, (after, before, gradient) in enumerate(
            zip(state["fast_weights"], variables, gradients)
        ):
            np.testing.assert_allclose(
                after,
                before.numpy() - 0.1 * expected[k] * gradient,
                rtol=1e-4,
                atol=1e-5,
            )
        multipliers.append(expected[:4])
    assert np.abs(multipliers[0] - multipliers[1]).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    layer = getattr(keras.layers, f"{norm}Normalization")()
    learner = make(mlp(layer))
    generator = np.random.default_rng(0)
    for variable in learner.inner_optimizer.trainable_variables:
        variable.assign_add(0.1 * generator.normal(size=variable.shape))
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_more_steps_outside_of_training():
    learner = make(test_inner_steps=5)
    assert learner.inner_optimizer.rates.shape == (2, 4)
    x, _ = episodes()
    assert np.isfinite(learner.predict(x, verbose=0)).all()


def test_fit_moves_all_of_it_and_a_file_keeps_it(tmp_path):
    learner = make()
    before = learner.inner_optimizer.get_weights()
    data = tf.data.Dataset.from_tensors(episodes())
    # The first step moves the last layer of the generator, which begins with
    # zeros and lets nothing through to the layer before; the second moves all.
    learner.fit(data.repeat(2), verbose=0)
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
    with pytest.raises(ValueError, match="Received: learning_rate=0"):
        make(inner_learning_rate=0)
