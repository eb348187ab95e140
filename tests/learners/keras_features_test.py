"""What Keras users do to train, with a learner of every family."""

import keras
import numpy as np
import pytest

SGD = keras.optimizers.SGD
# By default each feature runs once, and each family in some test.
QUICK = {
    "test_validation_data": ["metric"],
    "test_class_weight_is_refused": ["probabilistic"],
    "test_sample_weight": ["process"],
    "test_ways_of_execution": ["metric"],
    "test_jit_compile": [],
    "test_mixed_precision": ["metric"],
    "test_gradient_accumulation": ["metric"],
    "test_clipnorm": ["transductive"],
    "test_global_clipnorm": ["closed form"],
    "test_learning_rate_schedule": ["no gradient"],
    "test_moving_average_of_weights": ["baseline"],
}


def norm(values):
    return np.linalg.norm(values)


def test_validation_data(family):
    learner = family.learner()
    others = family.episodes(seed=1)
    history = learner.fit(
        family.episodes(), validation_data=others, verbose=0
    ).history
    results = learner.evaluate(others, verbose=0, return_dict=True)
    assert any(name.endswith("_ci95") for name in results)
    for name, value in results.items():
        np.testing.assert_allclose(history[f"val_{name}"], [value], rtol=1e-5)


def test_class_weight_is_refused(family):
    with pytest.raises(ValueError, match="class 0 of one task is another"):
        family.learner().fit(family.episodes(), class_weight={0: 2.0})


def test_sample_weight(family):
    """The loss is the mean over queries of weight times loss."""
    weights = np.arange(12, dtype="float32").reshape(2, 6) / 4
    weighted = family.episodes(1).map(lambda x, y: (x, y, weights))
    learner = family.learner()
    learner.fit(weighted, verbose=0)
    x, y = next(iter(family.episodes(1)))
    each = learner.loss.call(y, learner(x))
    received = learner.evaluate(weighted, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(received, np.mean(weights * each), rtol=1e-4)


def test_ways_of_execution(family, weights_of):
    """Several steps at a time are the same steps, and eager ones, too."""
    calls = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: calls.append(batch)
    )
    plain = family.learner()
    plain.fit(family.episodes(), verbose=0)
    at_once = family.learner(steps_per_execution=2)
    at_once.fit(family.episodes(), verbose=0, callbacks=[count])
    assert len(calls) == 1 and int(at_once.optimizer.iterations) == 2
    eager = family.learner(run_eagerly=True)
    eager.fit(family.episodes(), verbose=0)
    for other in (at_once, eager):
        np.testing.assert_allclose(
            weights_of(other), weights_of(plain), rtol=1e-3, atol=1e-5
        )


def padded(episodes):
    """Say of the last example and query of each first task that they pad."""
    mask = np.ones((2, 6), "bool")
    mask[0, -1] = False
    masks = {"support_mask": mask, "query_mask": mask}
    return episodes.map(lambda x, y: ({**x, **masks}, y))


def results_of(learner, episodes):
    """Return metrics and predictions."""
    results = learner.evaluate(episodes, verbose=0, return_dict=True)
    return list(results.values()), learner.predict(episodes, verbose=0)


@pytest.mark.parametrize("prepare", [lambda data: data, padded])
def test_jit_compile(family, prepare, weights_of):
    """`fit`, `evaluate` and `predict` give the same through XLA."""
    if not family.build().supports_jit:
        with pytest.warns(UserWarning, match="Proceeding with `jit_compile=F"):
            assert not family.learner(jit_compile=True).jit_compile
        return
    episodes = prepare(family.episodes())
    plain, learner = family.learner(), family.learner(jit_compile=True)
    assert learner.jit_compile
    for one in (plain, learner):
        one.fit(episodes, verbose=0)
    np.testing.assert_allclose(
        weights_of(learner), weights_of(plain), rtol=1e-3, atol=1e-4
    )
    # Of the same weights: near a kink, a little more or less is much.
    plain.set_weights(learner.get_weights())
    for one, other in zip(
        results_of(learner, episodes), results_of(plain, episodes), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def move_under(family, policy, weights_of):
    """Return how the weights move in a step, the learner and its scale."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        learner = family.learner()
        scale = float(learner.optimizer.scale_loss(1.0))
        if scale > 1:
            # Keras' scale is so large at first that it may skip some steps.
            scaling = keras.optimizers.LossScaleOptimizer
            family.compile(learner, scaling(SGD(0.1), initial_scale=16.0))
        start = weights_of(learner)
        learner.fit(family.episodes(1), verbose=0)
    finally:
        keras.config.set_dtype_policy(before)
    return weights_of(learner) - start, learner, scale


def test_mixed_precision(family, weights_of):
    """Steps are about those of full precision; float16 scales the loss."""
    full, _, _ = move_under(family, "float32", weights_of)
    for dtype in ("bfloat16", "float16"):
        half, learner, scale = move_under(family, f"mixed_{dtype}", weights_of)
        assert scale > 1000 if dtype == "float16" else scale == 1
        used = {layer.compute_dtype for layer in learner._flatten_layers()}
        assert dtype in used
        assert {v.dtype for v in learner.trainable_variables} == {"float32"}
        assert full @ half > 0.9 * norm(full) * norm(half)
        assert 0.8 < norm(half) / norm(full) < 1.25


def gradients_by_hand(family, batches):
    """Return the meta-gradients of meta-batches at the first weights."""
    learner = family.learner()
    gradients = []
    for x, y in family.episodes(batches):
        one = learner.meta_gradients(x, y)[2]
        gradients.append(np.concatenate([np.ravel(g) for g in one]))
    return gradients


def test_gradient_accumulation(family, weights_of):
    """Two meta-batches make one step, along their mean gradient."""
    learner = family.learner(SGD(0.1, gradient_accumulation_steps=2))
    start = weights_of(learner)
    learner.fit(family.episodes(2), verbose=0)
    mean = np.mean(gradients_by_hand(family, 2), axis=0)
    np.testing.assert_allclose(
        weights_of(learner), start - 0.1 * mean, rtol=1e-3, atol=1e-5
    )


def test_clipnorm(family):
    learner = family.learner(SGD(1.0, clipnorm=1e-2))
    start = [v.numpy() for v in learner.trainable_variables]
    learner.fit(family.episodes(1), verbose=0)
    moves = [
        norm(v.numpy() - s) for v, s in zip(learner.trainable_variables, start)
    ]
    assert max(moves) == pytest.approx(1e-2, rel=1e-2)


def test_global_clipnorm(family, weights_of):
    learner = family.learner(SGD(1.0, global_clipnorm=1e-2))
    start = weights_of(learner)
    learner.fit(family.episodes(1), verbose=0)
    move = norm(weights_of(learner) - start)
    assert move == pytest.approx(1e-2, rel=1e-2)


def test_learning_rate_schedule(family, weights_of):
    """With a rate of zero from the second step on, only the first moves."""
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [0], [0.1, 0.0]
    )
    learner = family.learner(SGD(schedule))
    start = weights_of(learner)
    learner.fit(family.episodes(1), verbose=0)
    first = weights_of(learner)
    learner.fit(family.episodes(1), verbose=0)
    assert norm(first - start) > 1e-3
    np.testing.assert_array_equal(weights_of(learner), first)


def test_moving_average_of_weights(family, weights_of):
    """In the end the weights are the average of those after each step."""
    learner = family.learner(SGD(0.1, use_ema=True, ema_momentum=0.7))
    path = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: path.append(weights_of(learner))
    )
    learner.fit(family.episodes(3), verbose=0, callbacks=[watch])
    average = path[0]
    for weights in path[1:]:
        average = 0.7 * average + 0.3 * weights
    assert norm(path[-1] - average) > 1e-3
    np.testing.assert_allclose(
        weights_of(learner), average, rtol=1e-4, atol=1e-6
    )
