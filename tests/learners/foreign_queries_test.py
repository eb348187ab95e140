"""Queries of none of the classes, in `fit` and `evaluate`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

import kerasmeta as km

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
FIXED = km.episodes.EpisodeSpec(ways=5, shots=2, queries=3)
VARIED = km.episodes.EpisodeSpec((3, 5), (1, 3), (1, 3), unbalanced=True)


def identity(size=4):
    inputs = keras.Input((size,))
    return keras.Model(inputs, inputs)


def dense(outputs=4):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(outputs)])


def compiled(learner, loss=CROSSENTROPY, rate=0.1, **kwargs):
    learner.compile(keras.optimizers.SGD(rate), loss, **kwargs)
    return learner


def episodes(spec=FIXED, num_episodes=6):
    """Episodes in which two of the classes have no support."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(9), 12)
    x = generator.normal(size=(9, 4))[y]
    x += 0.7 * generator.normal(size=x.shape)
    data = km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=2, num_episodes=num_episodes
    )
    return km.evaluation.open_set_episodes(data, unknown_ways=2)


def logits_alone(learner, data):
    """Yield logits and labels of the real queries of each episode."""
    for x, query_y, *_ in data:
        logits = learner(x)
        mask = x.get("query_mask", tf.ones_like(query_y, "bool"))
        for i in range(len(query_y)):
            yield logits[i][mask[i]].numpy(), query_y[i][mask[i]].numpy()


@pytest.mark.parametrize(
    "spec", [pytest.param(FIXED, marks=pytest.mark.slow), VARIED]
)
def test_evaluate(spec):
    """AUROC within each episode, the rest over queries of its classes."""
    learner = compiled(
        km.learners.ProtoNet(identity()),
        metrics=["accuracy", km.metrics.OpenSetAUROC("max_logit")],
    )
    data = episodes(spec)
    areas, losses, hits = [], [], []
    for logits, labels in logits_alone(learner, data):
        areas.append(roc_auc_score(labels < 0, -logits.max(axis=1)))
        logits, labels = logits[labels >= 0], labels[labels >= 0]
        losses.append(np.mean(CROSSENTROPY(labels, logits)))
        hits.append(logits.argmax(axis=1) == labels)
    logs = learner.evaluate(data, verbose=0, return_dict=True)
    assert logs["open_set_auroc"] == pytest.approx(np.mean(areas), rel=1e-5)
    assert logs["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    accuracy = np.concatenate(hits).mean()
    assert logs["accuracy"] == pytest.approx(accuracy, rel=1e-5)
    tasks = {
        "open_set_auroc": areas,
        "accuracy": [np.mean(hit) for hit in hits],
    }
    for name, values in tasks.items():
        width = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
        assert logs[f"{name}_ci95"] == pytest.approx(width, rel=1e-3)


LEARNERS = {
    "ProtoNet": lambda: km.learners.ProtoNet(dense()),
    "FEAT": lambda: km.learners.FEAT(
        dense(), dropout=0.0, attention_dropout=0.0, contrastive_weight=1.0
    ),
    "SiameseNetwork": lambda: km.learners.SiameseNetwork(dense()),
    "MAML": lambda: km.learners.MAML(dense(5), batch_norm="inductive"),
    "MAML++": lambda: km.learners.MAMLPlusPlus(dense(5)),
}


@pytest.mark.parametrize(
    "name, reduction",
    [(name, "sum_over_batch_size") for name in LEARNERS] + [("MAML", "sum")],
)
def test_losses_leave_them_out_as_they_do_padding(name, reduction):
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction=reduction)
    if name == "SiameseNetwork":
        loss = km.losses.RelationMeanSquaredError(reduction=reduction)
    learner = compiled(LEARNERS[name](), loss)
    x, query_y = next(iter(episodes(num_episodes=2)))
    loss, _, gradients = learner.meta_gradients(x, query_y)
    masked = {**x, "query_mask": query_y >= 0}
    as_padding = learner.meta_gradients(masked, tf.maximum(query_y, 0))
    np.testing.assert_allclose(loss, as_padding[0], rtol=1e-5)
    for one, other in zip(gradients, as_padding[2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_weights_of_queries_stay_the_users():
    metric = km.metrics.OpenSetAUROC()
    learner = compiled(km.learners.ProtoNet(dense()), weighted_metrics=[metric])
    x, query_y = next(iter(episodes(num_episodes=2)))
    weights = tf.random.stateless_uniform(query_y.shape, (0, 1))
    logits = learner(x)
    logs = learner.test_on_batch(x, query_y, weights, return_dict=True)
    areas = [
        roc_auc_score(
            labels < 0,
            -tf.nn.softmax(task).numpy().max(axis=1),
            sample_weight=weight,
        )
        for labels, task, weight in zip(query_y.numpy(), logits, weights)
    ]
    assert logs["open_set_auroc"] == pytest.approx(np.mean(areas), rel=1e-4)


def test_labels_may_have_an_axis():
    learner = compiled(
        km.learners.ProtoNet(identity()), metrics=[km.metrics.OpenSetAUROC()]
    )
    x, query_y = next(iter(episodes()))
    areas = [
        roc_auc_score(labels < 0, -tf.nn.softmax(logits).numpy().max(axis=1))
        for labels, logits in zip(query_y.numpy(), learner(x))
    ]
    logs = learner.test_on_batch(x, query_y[..., None], return_dict=True)
    assert logs["open_set_auroc"] == pytest.approx(np.mean(areas), rel=1e-5)


@pytest.mark.parametrize(
    "change, received",
    [
        (lambda y: 2 * y, r"\[-2"),
        (lambda y: tf.cast(y, "float32"), r"\[-1\.0\]"),
    ],
)
def test_other_negative_labels_are_refused(change, received):
    learner = compiled(km.learners.ProtoNet(dense()))
    data = episodes().map(lambda x, y: (x, change(y)))
    with pytest.raises(ValueError, match=f"or be -1.*{received}"):
        learner.evaluate(data, verbose=0)


def with_distractors(tasks=200, batch_size=5):
    """One-shot episodes in which half of the queries are of no class."""
    generator = np.random.default_rng(0)
    centers = 3 * generator.normal(size=(tasks, 8, 10))
    labels = np.repeat(np.arange(8), 8)
    noise = generator.normal(size=(tasks, len(labels), 10))
    x = {
        "support_x": centers[:, :4] + generator.normal(size=(tasks, 4, 10)),
        "support_y": np.tile(np.arange(4), (tasks, 1)),
        "query_x": centers[:, labels] + 2 * noise,
    }
    x = {
        name: v.astype("int32" if "_y" in name else "float32")
        for name, v in x.items()
    }
    query_y = np.tile(np.where(labels < 4, labels, -1), (tasks, 1))
    data = tf.data.Dataset.from_tensor_slices((x, query_y.astype("int32")))
    return data.batch(batch_size, drop_remainder=True)


def soft_k_means(**kwargs):
    """Return one over embeddings that are scaled so that shares are soft."""
    inputs = keras.Input((10,))
    scaled = keras.layers.Rescaling(0.25)(inputs)
    learner = km.learners.SoftKMeans(keras.Model(inputs, scaled), **kwargs)
    return compiled(learner, rate=1.0, metrics=["accuracy"])


def test_a_cluster_for_distractors_helps():
    """Queries of no class draw prototypes away, unless a cluster takes them."""
    data = with_distractors()

    def accuracy(learner):
        logs = learner.evaluate(data, verbose=0, return_dict=True)
        return logs["accuracy"], logs["accuracy_ci95"]

    plain, width = accuracy(soft_k_means())
    learner = soft_k_means(distractors=True)
    learner.fit(data.take(8), verbose=0)
    assert float(learner.log_spread) != pytest.approx(np.log(100.0))
    masked, other_width = accuracy(learner)
    assert masked - plain > width + other_width
