import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.layers.film import FiLM
from kerasmeta.learners.cavia import CAVIA

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def dense(*middle, context_size=4):
    x, context = keras.Input((1,)), keras.Input((context_size,))
    hidden = layers.Concatenate()([x, context])
    for layer in (layers.Dense(8), *middle, layers.Activation("tanh")):
        hidden = layer(hidden)
    return keras.Model([x, context], layers.Dense(1)(hidden))


def conv():
    x, context = keras.Input((8, 8, 1)), keras.Input((4,))
    hidden = layers.Conv2D(4, 3)(x)
    hidden = layers.BatchNormalization()(hidden)
    hidden = FiLM()([hidden, context])
    hidden = layers.Flatten()(layers.ReLU()(hidden))
    return keras.Model([x, context], layers.Dense(3)(hidden))


def compiled(network, loss="mse", **kwargs):
    learner = CAVIA(network, **{"inner_steps": 2, **kwargs})
    learner.compile(keras.optimizers.Adam(3e-3), loss=loss)
    return learner


def sinusoid():
    family = km.tasks.Sinusoid(shots=5, queries=6)
    return family.episodes(batch_size=2, num_episodes=4).cache()


def images():
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 10)
    x = generator.normal(size=(8, 8, 8, 1))[y]
    x += 0.5 * generator.normal(size=x.shape)
    spec = km.episodes.EpisodeSpec((2, 3), (1, 2), (2, 4), unbalanced=True)
    return km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=2, num_episodes=4
    )


def support():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 7, 1)).astype("float32")
    return tf.constant(x), tf.constant(y)


def test_one_step_is_that_of_the_derivation():
    """The network is linear in its context, so the gradient is by hand."""
    x_in, context_in = keras.Input((1,)), keras.Input((3,))
    both = layers.Concatenate()([x_in, context_in])
    network = keras.Model([x_in, context_in], layers.Dense(1)(both))
    learner = compiled(network, inner_steps=1, inner_learning_rate=0.5)
    x, y = support()
    kernel, bias = [w.astype("float64") for w in network.get_weights()]
    residual = x.numpy() * kernel[0] + bias - y.numpy()
    # d mean((r + c . k)^2) / dc = 2 mean(r) k at c = 0.
    expected = -0.5 * 2 * residual.mean() * kernel[1:, 0]
    [context] = learner.adapt(x, y)["fast_weights"]
    np.testing.assert_allclose(context, expected, rtol=1e-5)


def test_a_context_of_zeros_is_the_network_itself():
    learner = compiled(dense())
    x, _ = support()
    zeros = learner.initial_fast_weights()
    outputs, _, _ = learner.forward(zeros, {}, x)
    expected = learner.network([x, tf.zeros((7, 4))])
    np.testing.assert_array_equal(outputs, expected)


def test_only_the_context_moves_and_it_serves_the_queries():
    learner = compiled(dense())
    x, y = support()
    before = learner.get_weights()
    state = learner.adapt(x, y)
    [context] = state["fast_weights"]
    assert context.shape == (4,) and np.any(context)
    for old, new in zip(before, learner.get_weights()):
        np.testing.assert_array_equal(old, new)
    expected = learner.network([x, tf.tile(context[None], [7, 1])])
    np.testing.assert_allclose(
        learner.predict_query(state, x), expected, rtol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    middle = getattr(layers, f"{norm}Normalization")()
    learner = compiled(dense(middle), inner_learning_rate=0.5)
    data = next(iter(sinusoid()))
    assert km.testing.verify_meta_gradient(learner, *data) < 1e-5


@pytest.mark.slow
def test_meta_gradient_of_images_is_exact():
    learner = compiled(conv(), CROSSENTROPY, unroll=False)
    data = next(iter(images()))[:2]
    assert km.testing.verify_meta_gradient(learner, *data) < 1e-5


@keras.saving.register_keras_serializable(package="cavia_test")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(1)

    def call(self, inputs):
        x, context = inputs
        return self.dense(keras.ops.concatenate([x["value"], context], -1))


def test_sub_classed_networks_and_nests(tmp_path):
    network = Subclassed()
    network(({"value": np.zeros((1, 1))}, np.zeros((1, 3))))
    learner = compiled(network)
    assert learner.context_size == 3
    data = sinusoid().map(
        lambda x, y: (
            {
                **x,
                "support_x": {"value": x["support_x"]},
                "query_x": {"value": x["query_x"]},
            },
            y,
        )
    )
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
    )


@pytest.mark.parametrize("policy", ["transductive", "inductive", "moving"])
def test_adapted_model_does_not_depend_on_the_batch(policy, tmp_path):
    learner = compiled(conv(), CROSSENTROPY, batch_norm=policy)
    learner.fit(images(), verbose=0)
    x = np.random.default_rng(0).normal(size=(6, 8, 8, 1))
    model = learner.adapted_model(x, np.array([0, 1, 2, 0, 1, 2]))
    predictions = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        model.predict(x[:1], verbose=0), predictions[:1], rtol=1e-4, atol=1e-5
    )
    if policy != "transductive":
        task = tf.constant(x, "float32"), tf.constant([0, 1, 2, 0, 1, 2])
        expected = learner.predict_query(learner.adapt(*task), task[0])
        np.testing.assert_allclose(predictions, expected, rtol=1e-4, atol=1e-5)
    assert not model.trainable_variables
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), predictions, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    "network",
    [
        km.backbones.mlp((2,), 1),
        keras.Sequential([keras.Input((2,)), layers.Dense(1)]),
    ],
)
def test_networks_of_another_form(network):
    with pytest.raises(ValueError) as error:
        CAVIA(network)
    assert str(error.value).endswith("inputs of shape (None, 2)")


def test_a_context_that_is_no_vector():
    x, context = keras.Input((2, 3)), keras.Input((2, 3))
    network = keras.Model([x, context], layers.Dense(1)(x + context))
    with pytest.raises(ValueError, match="must take a pair"):
        CAVIA(network)


def test_examples_of_another_shape_are_refused():
    learner = compiled(conv(), CROSSENTROPY)
    with pytest.raises(ValueError, match="does not take examples"):
        learner.adapted_model(np.zeros((3, 8)), np.array([0, 1, 2]))
