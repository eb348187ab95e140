"""Padded meta-batches give what each episode gives alone, unpadded."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.checks import check_episodes
from kerasmeta.learners.checks import check_support

SPEC = km.episodes.EpisodeSpec(
    ways=(2, 4), shots=(1, 3), queries=(1, 4), unbalanced=True
)


def images():
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 10)
    x = generator.normal(size=(8, 8, 8, 1))[y]
    return x + 0.5 * generator.normal(size=x.shape), y


def padded(batch_size=4, num_episodes=8):
    return km.episodes.episodes_from_arrays(
        *images(), SPEC, batch_size=batch_size, num_episodes=num_episodes
    )


def unpadded(episodes, query_y):
    """Yield each task of a meta-batch alone, without its padding."""
    for i in range(len(query_y)):
        support = episodes["support_mask"][i].numpy()
        query = episodes["query_mask"][i].numpy()
        x = {
            "support_x": episodes["support_x"][i][support][None],
            "support_y": episodes["support_y"][i][support][None],
            "query_x": episodes["query_x"][i][query][None],
        }
        yield x, query_y[i][query][None]


def conv(outputs):
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.BatchNormalization(),  # Of one channel.
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(outputs),
        ]
    )


def maml(batch_norm):
    return km.learners.MAML(
        conv(4),
        inner_learning_rate=0.1,
        inner_steps=2,
        batch_norm=batch_norm,
    )


LEARNERS = {
    "ProtoNet": lambda: km.learners.ProtoNet(conv(6)),
    "MAML-transductive": lambda: maml("transductive"),
    "MAML-inductive": lambda: maml("inductive"),
    "MAML-moving": lambda: maml("moving"),
}


@pytest.fixture(params=LEARNERS)
def learner(request):
    learner = LEARNERS[request.param]()
    learner.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner


def test_episodes_do_vary():
    batch, query_y = next(iter(padded()))
    for name in ("support", "query"):
        sizes = batch[f"{name}_mask"].numpy().sum(axis=1)
        assert len(set(sizes)) > 1
    assert query_y.shape == (4, 16)


def test_evaluate_is_that_of_the_episodes_one_by_one(learner):
    data = padded(batch_size=2, num_episodes=4)
    logs = learner.evaluate(data, return_dict=True, verbose=0)
    losses, right, count, accuracies = [], 0, 0, []
    for batch in data:
        for x, y in unpadded(*batch):
            loss, query_pred = learner.meta_loss(x, y, training=False)
            hits = np.argmax(query_pred[0], axis=-1) == y[0].numpy()
            losses.append(float(loss))
            accuracies.append(hits.mean())
            right, count = right + hits.sum(), count + len(hits)
    assert logs["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert logs["accuracy"] == pytest.approx(right / count, rel=1e-6)
    width = 1.96 * np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
    assert logs["accuracy_ci95"] == pytest.approx(width, rel=1e-3)


def test_gradients_are_the_mean_of_those_of_the_episodes(learner):
    if isinstance(learner, km.learners.ProtoNet):
        # In training its batch statistics are those of the whole meta-batch.
        learner.backbone.trainable = True
        for layer in learner.backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    batch, query_y = next(iter(padded()))
    loss, _, together = learner.meta_gradients(batch, query_y)
    alone = [learner.meta_gradients(x, y) for x, y in unpadded(batch, query_y)]
    assert float(loss) == pytest.approx(
        np.mean([float(one[0]) for one in alone]), rel=1e-5
    )
    mean = [np.mean(g, axis=0) for g in zip(*[one[2] for one in alone])]
    error = sum(np.sum((a - b) ** 2) for a, b in zip(together, mean))
    size = sum(np.sum(b**2) for b in mean)
    assert np.sqrt(error / size) < 1e-4


def test_padding_is_never_read(learner):
    batch, query_y = next(iter(padded()))
    loss, _, gradients = learner.meta_gradients(batch, query_y)
    for name in ("support", "query"):
        real = batch[f"{name}_mask"][..., None, None, None]
        batch[f"{name}_x"] = tf.where(real, batch[f"{name}_x"], np.nan)
    other, _, changed = learner.meta_gradients(batch, query_y)
    assert float(other) == pytest.approx(float(loss), rel=1e-4)
    for a, b in zip(changed, gradients):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-4)


def wave():
    return km.backbones.mlp((1,), 1, units=(4,))


@pytest.mark.parametrize(
    "build",
    [
        lambda: km.learners.MAML(wave()),
        lambda: km.learners.Reptile(wave(), inner_batch_size=2, seed=0),
        lambda: km.learners.IMAML(wave(), inner_steps=2, cg_steps=1),
        lambda: km.learners.R2D2(wave(), regression=True),
        lambda: km.learners.NeuralProcess(width=4, latent_size=2, seed=0),
    ],
)
def test_training_ignores_nan_in_padding(build):
    x, query_y = next(iter(km.tasks.Sinusoid(shots=5).episodes(batch_size=2)))
    for part in ("support", "query"):
        count = x[f"{part}_x"].shape[1]
        x[f"{part}_mask"] = tf.tile(tf.range(count)[None] < 3, [2, 1])
    ends = []
    for rubbish in (0.0, np.nan):
        spoiled, target = dict(x), query_y
        for part in ("support", "query"):
            real = x[f"{part}_mask"][..., None]
            for name in {f"{part}_x", f"{part}_y"} & set(x):
                spoiled[name] = tf.where(real, x[name], rubbish)
        target = tf.where(real, query_y, rubbish)
        keras.utils.set_random_seed(0)
        learner = build()
        learner.compile(
            keras.optimizers.SGD(0.1),
            km.losses.GaussianNegativeLogLikelihood()
            if isinstance(learner, km.learners.NeuralProcess)
            else "mse",
        )
        logs = [learner.train_step((spoiled, target))]
        logs.append(learner.test_step((spoiled, target)))
        ends.append([*learner.get_weights(), *tf.nest.flatten(logs)])
    for one, other in zip(*ends):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(other, one)


def test_adapt_does_not_read_padding(learner):
    batch, _ = next(iter(padded()))
    x, y, mask = (batch[f"support_{name}"][0] for name in ("x", "y", "mask"))
    states = [
        learner.adapt(
            tf.where(mask[:, None, None, None], x, rubbish),
            tf.where(mask, y, 0 if rubbish == 0 else 99),
            mask,
        )
        for rubbish in (0.0, np.nan)
    ]
    for one, other in zip(*map(tf.nest.flatten, states)):
        np.testing.assert_array_equal(other, one)


def test_checks_look_at_what_counts():
    x, query_y = next(iter(padded()))
    for name in ("support", "query"):
        real = x[f"{name}_mask"][..., None, None, None]
        x[f"{name}_x"] = tf.where(real, x[f"{name}_x"], np.nan)
    labels = tf.where(x["support_mask"], x["support_y"], -1)
    query_y = tf.where(x["query_mask"], query_y, -1)
    data = tf.data.Dataset.from_tensors(({**x, "support_y": labels}, query_y))
    learner = km.learners.ProtoNet(conv(6), ways=4)
    learner.compile(loss="sparse_categorical_crossentropy")
    check_episodes(learner, data)
    task = x["support_x"][0], labels[0]
    with pytest.raises(ValueError, match="holds NaN"):
        check_support(learner, *task)
    *support, _ = check_support(learner, *task, x["support_mask"][0])
    assert np.isfinite(support[0]).all() and min(support[1]) == 0


@pytest.mark.slow
def test_fit_traces_once(learner):
    learner.fit(padded(), epochs=2, verbose=0)
    assert learner.train_function is not None
    traces = []
    step = learner.train_step

    def counted(data):
        traces.append(1)
        return step(data)

    learner.train_step = counted
    learner.make_train_function(force=True)
    learner.fit(padded(num_episodes=12), verbose=0)
    assert len(traces) == 1


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_other_reductions(reduction):
    learner = maml("moving")
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction=reduction
        )
    )
    batch, query_y = next(iter(padded()))
    loss, _ = learner.meta_loss(batch, query_y, training=False)
    alone = [
        float(learner.meta_loss(x, y, training=False)[0])
        for x, y in unpadded(batch, query_y)
    ]
    combine = np.sum if reduction == "sum" else np.mean
    assert float(loss) == pytest.approx(combine(alone), rel=1e-5)


def test_sample_weights_go_on_top():
    learner = maml("moving")
    learner.compile(loss="sparse_categorical_crossentropy")
    batch, query_y = next(iter(padded()))
    halves = tf.fill(query_y.shape, 0.5)
    plain, _ = learner.meta_loss(batch, query_y, training=False)
    half, _ = learner.meta_loss(batch, query_y, halves, training=False)
    assert float(half) == pytest.approx(0.5 * float(plain), rel=1e-5)


def test_a_class_without_support_is_never_predicted():
    learner = km.learners.ProtoNet(conv(6), ways=4)
    x, y = images()
    model = learner.adapted_model(x[:20], y[:20])  # Classes 0 and 1.
    predicted = model.predict(x, verbose=0).argmax(axis=-1)
    assert set(predicted) == {0, 1}


def test_label_smoothing_stays_finite():
    learner = km.learners.ProtoNet(conv(6), ways=4)
    learner.compile(
        loss=keras.losses.CategoricalCrossentropy(True, label_smoothing=0.1)
    )
    batch, query_y = next(iter(padded()))
    one_hot = tf.one_hot(query_y, 4)
    loss, _ = learner.meta_loss(batch, one_hot, training=False)
    assert np.isfinite(loss)


def test_networks_that_fold_an_axis_into_the_batch():
    inputs = keras.Input((8, 8, 1))
    rows = keras.layers.Lambda(lambda t: tf.reshape(t, [-1, 8]))(inputs)
    rows = keras.layers.BatchNormalization()(rows)
    whole = keras.layers.Lambda(lambda t: tf.reshape(t, [-1, 64]))(rows)
    network = keras.Model(inputs, keras.layers.Dense(4)(whole))
    learner = km.learners.MAML(network, inner_learning_rate=0.1)
    learner.compile(loss="sparse_categorical_crossentropy")
    batch, query_y = next(iter(padded()))
    loss, _ = learner.meta_loss(batch, query_y, training=False)
    alone = [
        float(learner.meta_loss(x, y, training=False)[0])
        for x, y in unpadded(batch, query_y)
    ]
    assert float(loss) == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize("mask", [[True] * 3, [1] * 20, [False] * 20])
def test_bad_support_masks(mask):
    learner = km.learners.ProtoNet(conv(6))
    x, y = images()
    with pytest.raises(ValueError, match="`support_mask` must be a bool"):
        learner.adapted_model(x[:20], y[:20], mask)


@pytest.mark.parametrize("make", LEARNERS.values())
def test_adapted_model_with_a_support_mask(make):
    learner = make()
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y = images()
    mask = [True] * 30 + [False] * 10
    masked = learner.adapted_model(x[:40], y[:40], mask)
    plain = learner.adapted_model(x[:30], y[:30])
    np.testing.assert_allclose(
        masked.predict(x, verbose=0)[:, :3],
        plain.predict(x, verbose=0)[:, :3],
        rtol=1e-4,
        atol=1e-4,
    )


def without(name, task=0):
    """A meta-batch one of whose tasks has no support set, or no queries."""
    batch, query_y = next(iter(padded()))
    others = tf.range(4)[:, None] != task
    return {**batch, name: batch[name] & others}, query_y


@pytest.mark.parametrize("name", ["support_mask", "query_mask"])
def test_an_empty_task_does_not_spoil_weights(learner, name):
    before = learner.get_weights()
    learner.fit(tf.data.Dataset.from_tensors(without(name)), verbose=0)
    after = learner.get_weights()
    assert all(np.isfinite(weight).all() for weight in after)
    assert any(np.any(a != b) for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("policy", ["transductive", "inductive", "moving"])
def test_a_task_without_queries_has_no_gradient(policy):
    learner = maml(policy)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    batch, query_y = without("query_mask")
    together = learner.meta_gradients(batch, query_y)[2]
    rest = tf.nest.map_structure(lambda t: t[1:], (batch, query_y))
    for gradient, of_rest in zip(together, learner.meta_gradients(*rest)[2]):
        np.testing.assert_allclose(
            gradient, 3 / 4 * of_rest, rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("name", ["support_mask", "query_mask"])
@pytest.mark.parametrize("kind", ["LEO", "ABML"])
def test_an_empty_task_does_not_spoil_learners_with_penalties(kind, name):
    kwargs = {
        "LEO": {"ways": 4},
        "ABML": {"samples": 2, "from_logits": True},
    }
    learner = getattr(km.learners, kind)(conv(4), **kwargs[kind])
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    batch, query_y = tf.nest.map_structure(lambda t: t[:2], without(name))
    loss, _, gradients = learner.meta_gradients(batch, query_y)
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in gradients if g is not None)


def test_weights_of_padding_do_not_matter():
    learner = maml("moving")
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    batch, query_y = next(iter(padded()))

    def evaluate(of_padding):
        weights = tf.where(batch["query_mask"], 1.0, of_padding)
        data = tf.data.Dataset.from_tensors((batch, query_y, weights))
        return learner.evaluate(data, verbose=0)

    np.testing.assert_array_equal(evaluate(np.nan), evaluate(0.0))
