"""What all neural processes promise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
LEARNERS = {
    "cnp": lambda **sizes: km.learners.ConditionalNeuralProcess(
        width=8, **sizes
    ),
    "np": lambda **sizes: km.learners.NeuralProcess(
        width=8, latent_size=3, samples=4, **sizes
    ),
    "anp": lambda **sizes: km.learners.AttentiveNeuralProcess(
        width=8, latent_size=3, heads=2, samples=4, **sizes
    ),
    "tnp": lambda **sizes: km.learners.TransformerNeuralProcess(
        width=8, blocks=2, heads=2, **sizes
    ),
    "convcnp": lambda **sizes: km.learners.ConvolutionalNeuralProcess(
        points_per_unit=4, width=4, levels=2, **sizes
    ),
}
# Large enough to learn.
LARGER = {
    "cnp": lambda: km.learners.ConditionalNeuralProcess(width=64),
    "np": lambda: km.learners.NeuralProcess(width=64, latent_size=32),
    "anp": lambda: km.learners.AttentiveNeuralProcess(width=64, latent_size=32),
    "tnp": lambda: km.learners.TransformerNeuralProcess(
        width=32, blocks=3, heads=4
    ),
    "convcnp": lambda: km.learners.ConvolutionalNeuralProcess(
        width=16, levels=3
    ),
}
every_learner = pytest.mark.parametrize("name", LEARNERS)


def points(count, tasks=2, input_size=1, target_size=1):
    """Return random points of some tasks, `(x, y)`."""
    x = GENERATOR.normal(size=(tasks, count, input_size))
    y = GENERATOR.normal(size=(tasks, count, target_size))
    return x.astype("float32"), y.astype("float32")


def episodes(shots=6, queries=4, **sizes):
    support_x, support_y = points(shots, **sizes)
    query_x, query_y = points(queries, **sizes)
    x = {"support_x": support_x, "support_y": support_y, "query_x": query_x}
    return tf.nest.map_structure(tf.constant, (x, query_y))


def compiled(learner):
    learner.compile("adam", km.losses.GaussianNegativeLogLikelihood())
    return learner


@every_learner
def test_predictions_are_means_and_positive_scales(name):
    learner = LEARNERS[name](minimum_scale=0.3)
    x, query_y = episodes()
    mean, scale = km.ops.split_gaussian(learner(x))
    assert mean.shape == scale.shape == query_y.shape
    assert (scale.numpy() > 0.3).all()


@every_learner
def test_padding_does_not_matter(name):
    learner = compiled(LEARNERS[name]())
    x, query_y = episodes(shots=5, queries=3)
    rubbish = tf.fill([2, 2, 1], 9.0)
    padded = {
        key: tf.concat([value, rubbish], axis=1) for key, value in x.items()
    }
    padded["support_mask"] = tf.constant([[True] * 5 + [False] * 2] * 2)
    padded["query_mask"] = tf.constant([[True] * 3 + [False] * 2] * 2)
    padded_y = tf.concat([query_y, rubbish], axis=1)
    np.testing.assert_allclose(
        learner(padded)[:, :3], learner(x), rtol=1e-4, atol=1e-5
    )
    state = weights_state(learner)
    expected, _, gradients = learner.meta_gradients(x, query_y)
    for variable, value in state:
        variable.assign(value)
    loss, _, padded_gradients = learner.meta_gradients(padded, padded_y)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    for one, other in zip(padded_gradients, gradients):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def weights_state(learner):
    return [(v, tf.identity(v)) for v in learner.non_trainable_variables]


@every_learner
def test_each_task_has_a_mask_of_its_own(name):
    learner = LEARNERS[name]()
    x, _ = episodes()
    mask = tf.constant([[True] * 2 + [False] * 4, [True] * 5 + [False]])
    together = learner({**x, "support_mask": mask})
    for i, count in enumerate([2, 5]):
        support = (x["support_x"][i, :count], x["support_y"][i, :count])
        alone = learner.predict_query(learner.adapt(*support), x["query_x"][i])
        np.testing.assert_allclose(together[i], alone, rtol=1e-4, atol=1e-5)


@every_learner
def test_a_query_does_not_see_the_others(name):
    learner = LEARNERS[name]()
    x, _ = episodes()
    moved = x["query_x"] + tf.constant([0.0, 1.0, -2.0, 3.0])[:, None]
    before, after = learner(x), learner({**x, "query_x": moved})
    np.testing.assert_allclose(after[:, 0], before[:, 0], rtol=1e-4, atol=1e-5)
    assert np.abs(after[:, 1:] - before[:, 1:]).max() > 1e-4


@every_learner
def test_the_order_of_points_does_not_matter(name):
    learner = LEARNERS[name]()
    x, _ = episodes()
    order = tf.constant([4, 0, 5, 2, 1, 3])
    other = {
        key: tf.gather(x[key], order, axis=1)
        for key in ("support_x", "support_y")
    }
    np.testing.assert_allclose(
        learner({**x, **other}), learner(x), rtol=1e-4, atol=1e-5
    )


@every_learner
def test_without_any_point_it_predicts_all_the_same(name):
    learner = compiled(LEARNERS[name]())
    x, query_y = episodes()
    nothing = {**x, "support_mask": tf.zeros([2, 6], "bool")}
    other = {**nothing, "support_y": x["support_y"] * 3}
    predictions = learner(nothing)
    assert np.isfinite(predictions).all()
    np.testing.assert_allclose(learner(other), predictions, rtol=1e-5)
    gradients = learner.meta_gradients(nothing, query_y)[2]
    assert all(np.isfinite(g).all() for g in gradients if g is not None)


@every_learner
def test_several_features_and_targets(name):
    # A grid has one dimension.
    sizes = {"input_size": 1 if name == "convcnp" else 3, "target_size": 2}
    learner = compiled(LEARNERS[name](**sizes))
    x, query_y = episodes(**sizes)
    assert learner(x).shape == (2, 4, 4)
    assert np.isfinite(learner.meta_loss(x, query_y)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGER)
def test_it_learns_curves_that_it_never_saw(name):
    learner = LARGER[name]()
    learner.compile(
        keras.optimizers.Adam(2e-3, global_clipnorm=10.0),
        km.losses.GaussianNegativeLogLikelihood(),
        metrics=[
            km.metrics.GaussianLogLikelihood(),
            km.metrics.GaussianMeanSquaredError(),
        ],
    )
    curves = km.tasks.GaussianProcessCurves(shots=(3, 20), length_scale=1.0)
    test = curves.episodes(16, seed=1, num_episodes=160)
    before = learner.evaluate(test, return_dict=True, verbose=0)
    learner.fit(curves.episodes(16), steps_per_epoch=400, verbose=0)
    after = learner.evaluate(test, return_dict=True, verbose=0)
    low, high = (
        logs["log_likelihood"] + sign * logs["log_likelihood_ci95"]
        for logs, sign in ((after, -1), (before, 1))
    )
    # The most that is known without the support set: mean 0 and the variance.
    variance = 1 + curves.noise**2
    most = -0.5 * np.log(2 * np.pi * np.e * variance)
    assert low > max(high, most) + 0.3
    assert after["mse"] + after["mse_ci95"] < 0.5 * variance


def test_targets_may_lack_their_last_axis():
    learner = LEARNERS["cnp"]()
    x, _ = episodes()
    flat = {**x, "support_y": x["support_y"][..., 0]}
    np.testing.assert_array_equal(learner(flat), learner(x))


@pytest.mark.parametrize(
    "support_x, support_y, message",
    [
        (np.ones((3, 2)), np.ones((3, 1)), "support_x of shape"),
        (np.ones(3), np.ones((3, 1)), "support_x of shape"),
        (np.ones((3, 1)), np.ones((3, 2)), "support_y of shape"),
        (np.ones((3, 1)), np.ones((3, 1), "int32"), "dtype int32"),
    ],
)
def test_bad_points(support_x, support_y, message):
    with pytest.raises(ValueError, match=message):
        LEARNERS["cnp"]().adapted_model(support_x, support_y)


@pytest.mark.parametrize(
    "arguments",
    [{"input_size": 0}, {"target_size": 1.5}, {"minimum_scale": 0}],
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=f"Received: {[*arguments][0]}="):
        LEARNERS["cnp"](**arguments)
