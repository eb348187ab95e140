"""All inner optimizers: values as Keras', exact outer gradients, files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

io = km.inner_optimizers

# Name -> (ours, that of Keras).
PAIRS = {
    "GradientDescent": (
        lambda: io.GradientDescent(0.05),
        lambda: keras.optimizers.SGD(0.05),
    ),
    "Momentum": (
        lambda: io.Momentum(0.05, 0.8),
        lambda: keras.optimizers.SGD(0.05, momentum=0.8),
    ),
    "Nesterov": (
        lambda: io.Momentum(0.05, 0.8, nesterov=True),
        lambda: keras.optimizers.SGD(0.05, momentum=0.8, nesterov=True),
    ),
    "Adam": (
        lambda: io.Adam(0.05, 0.8, 0.95, 1e-5),
        lambda: keras.optimizers.Adam(0.05, 0.8, 0.95, 1e-5),
    ),
    "RMSprop": (
        lambda: io.RMSprop(0.05, 0.8, 1e-5),
        lambda: keras.optimizers.RMSprop(0.05, rho=0.8, epsilon=1e-5),
    ),
}


@pytest.fixture(params=PAIRS)
def pair(request):
    return PAIRS[request.param]


@pytest.fixture(
    params=[
        "Adam",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in PAIRS
            if name != "Adam"
        ),
    ]
)
def ours(request):
    return PAIRS[request.param][0]()


def test_defaults_are_those_of_keras():
    for ours, theirs in [
        (io.Adam(), keras.optimizers.Adam()),
        (io.RMSprop(), keras.optimizers.RMSprop()),
    ]:
        config = theirs.get_config()
        for name, value in ours.get_config().items():
            if name in ("learning_rate", "beta_1", "beta_2", "rho", "epsilon"):
                assert value == pytest.approx(config[name])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", [*PAIRS, "Curvature"])
def test_weights_of_any_dtype(name, dtype):
    ours = PAIRS[name][0]() if name in PAIRS else io.Curvature(0.05)
    weights = [tf.ones([3, 2], dtype)]
    ours.build_for(weights)
    moved, _ = ours.apply(weights, weights, ours.initial_state(weights), 0)
    assert moved[0].dtype == dtype
    assert (tf.cast(moved[0], "float32").numpy() < 1).all()


@pytest.mark.parametrize("as_tensor", [False, True])
def test_values_are_those_of_keras(pair, as_tensor):
    generator = np.random.default_rng(0)
    start = [generator.normal(size=s).astype("float32") for s in [(3, 4), (5,)]]
    ours, theirs = pair[0](), pair[1]()
    variables = [keras.Variable(value) for value in start]
    theirs.build(variables)
    weights = [tf.constant(value) for value in start]
    state = ours.initial_state(weights)
    for step in range(6):
        gradients = [
            tf.constant(generator.normal(size=w.shape), "float32")
            for w in weights
        ]
        number = tf.constant(step) if as_tensor else step
        weights, state = ours.step(weights, gradients, state, number)
        theirs.apply(gradients, variables)
    for one, other in zip(weights, variables):
        np.testing.assert_allclose(one, other.numpy(), rtol=2e-5, atol=1e-6)


def learner_with(optimizer, *middle, steps=3, **kwargs):
    network = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8),
            *middle,
            keras.layers.Activation("tanh"),
            keras.layers.Dense(3),
        ]
    )
    learner = km.learners.MAML(
        network, inner_steps=steps, inner_optimizer=optimizer, **kwargs
    )
    learner.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner


def some_episodes():
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(5), 12)
    x = generator.normal(size=(5, 6))[y] + generator.normal(size=(60, 6))
    spec = km.episodes.EpisodeSpec(3, 2, 4)
    return km.episodes.episodes_from_arrays(x, y, spec, 2, num_episodes=4)


@pytest.mark.parametrize(
    "norm", ["Batch", pytest.param("Layer", marks=pytest.mark.slow)]
)
def test_outer_gradients_are_exact(ours, norm):
    layer = getattr(keras.layers, f"{norm}Normalization")()
    learner = learner_with(ours, layer)
    episodes, query_y = next(iter(some_episodes()))
    error = km.testing.verify_meta_gradient(learner, episodes, query_y)
    assert error < 1e-5


def test_a_weight_without_gradient_does_not_spoil_the_others(ours):
    # Nothing comes through a ReLU far below zero.
    dead = keras.layers.Dense(
        4, bias_initializer=keras.initializers.Constant(-1e3)
    )
    learner = learner_with(ours, dead, keras.layers.ReLU())
    for gradient in learner.meta_gradients(*next(iter(some_episodes())))[2]:
        assert np.isfinite(gradient).all()


def test_fit_save_and_load(ours, tmp_path):
    learner = learner_with(ours)
    learner.fit(some_episodes(), verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.inner_optimizer.get_config() == (
        learner.inner_optimizer.get_config()
    )
    episodes, _ = next(iter(some_episodes()))
    np.testing.assert_allclose(
        loaded.predict(episodes, verbose=0),
        learner.predict(episodes, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_optimizers_differ(pair):
    # Each does something of its own, and more steps go further.
    episodes, _ = next(iter(some_episodes()))
    keras.utils.set_random_seed(0)
    one = learner_with(pair[0](), steps=1).predict(episodes, verbose=0)
    keras.utils.set_random_seed(0)
    three = learner_with(pair[0](), steps=3).predict(episodes, verbose=0)
    assert np.abs(one - three).max() > 1e-4


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: io.Momentum(0.1, momentum=1.0), "momentum=1.0"),
        (lambda: io.Momentum(-0.1), "learning_rate=-0.1"),
        (lambda: io.Adam(beta_1=-0.1), "beta_1=-0.1"),
        (lambda: io.Adam(beta_2=True), "beta_2=True"),
        (lambda: io.Adam(epsilon=0), "epsilon=0"),
        (lambda: io.RMSprop(rho="0.9"), "rho='0.9'"),
        (lambda: io.RMSprop(0), "learning_rate=0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value).endswith(f"Received: {message}")
