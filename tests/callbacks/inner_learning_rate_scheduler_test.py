import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

Scheduler = km.callbacks.InnerLearningRateScheduler


def learner_with(rate=0.1, **kwargs):
    keras.utils.set_random_seed(0)
    learner = km.learners.MAML(
        km.backbones.mlp((1,), 1, units=(8,)),
        inner_learning_rate=rate,
        inner_steps=2,
        **kwargs,
    )
    learner.compile(keras.optimizers.SGD(0.1), "mse")
    return learner


def episodes():
    family = km.tasks.Sinusoid(shots=5, queries=5)
    return family.episodes(batch_size=2, num_episodes=2).cache()


def test_the_graph_sees_the_new_rate(tmp_path):
    """Training is that of learners made with each rate, without retracing."""
    learner, traces = learner_with(), []
    meta_gradients = learner.meta_gradients

    def counted(*data):
        traces.append(1)
        return meta_gradients(*data)

    learner.meta_gradients = counted
    rates = [0.5, 0.02]
    history = learner.fit(
        episodes(),
        epochs=2,
        verbose=0,
        callbacks=[Scheduler(lambda epoch, _: rates[epoch])],
    ).history
    assert history["inner_learning_rate"] == rates
    assert len(traces) == 1
    weights = None
    for rate in rates:
        other = learner_with(rate)
        if weights is not None:
            other.network.set_weights(weights)
        other.fit(episodes(), verbose=0)
        weights = other.network.get_weights()
    for one, two in zip(learner.network.get_weights(), weights):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
    assert learner.get_config()["inner_optimizer"]["config"][
        "learning_rate"
    ] == pytest.approx(0.02)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.inner_optimizer.learning_rate == pytest.approx(0.02)
    x, _ = next(iter(episodes()))
    np.testing.assert_allclose(loaded(x), learner(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer",
    [
        km.inner_optimizers.LearnedRates(0.1),
        km.inner_optimizers.GradientDescent(
            keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
        ),
    ],
)
def test_rates_that_are_no_numbers(optimizer):
    callback = Scheduler(lambda epoch, rate: rate)
    learner = learner_with(inner_optimizer=optimizer)
    with pytest.raises(ValueError, match="whose rate is a number"):
        learner.fit(episodes(), verbose=0, callbacks=[callback])
    with pytest.raises(ValueError, match="learning_rate=0.5"):
        optimizer.learning_rate = 0.5


def test_a_learner_without_inner_optimizer():
    callback = Scheduler(lambda epoch, rate: rate)
    callback.set_model(km.learners.ConditionalNeuralProcess(width=4))
    with pytest.raises(ValueError, match="Received: ConditionalNeuralProcess"):
        callback.on_train_begin()


def test_bad_rates():
    learner = learner_with()
    with pytest.raises(ValueError, match="learning_rate=-1"):
        learner.fit(
            episodes(),
            verbose=0,
            callbacks=[Scheduler(lambda epoch, rate: -1)],
        )


def test_an_optimizer_keeps_the_number_it_was_given():
    optimizer = km.inner_optimizers.Adam(0.3)
    assert optimizer.get_config()["learning_rate"] == 0.3
    optimizer.learning_rate = 0.7
    assert optimizer.get_config()["learning_rate"] == 0.7
    assert float(tf.convert_to_tensor(optimizer.rate_at(0))) == np.float32(0.7)
    optimizer.learning_rate = 0.7 * 0.9**7
    other = km.inner_optimizers.Adam(0.3)
    other.set_weights(optimizer.get_weights())
    assert other.learning_rate == optimizer.learning_rate
    optimizer.set_weights([np.array(0.25)])
    assert optimizer.learning_rate == 0.25
