import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

import kerasmeta as km


def identity(size=4):
    inputs = keras.Input((size,))
    return keras.Model(inputs, inputs)


def episodes(spec, num_episodes=6):
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(9), 12)
    x = generator.normal(size=(9, 4))[y] + 0.5 * generator.normal(
        size=(len(y), 4)
    )
    return km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=2, num_episodes=num_episodes
    )


FIXED = km.episodes.EpisodeSpec(ways=5, shots=2, queries=3)
VARIED = km.episodes.EpisodeSpec(
    ways=(3, 5), shots=(1, 3), queries=(1, 3), unbalanced=True
)


@pytest.mark.parametrize("spec", [FIXED, VARIED])
def test_the_last_classes_become_unknown(spec):
    before = episodes(spec)
    after = km.evaluation.open_set_episodes(before, unknown_ways=2)
    for (x, query_y), (opened, labels) in zip(before, after):
        for i in range(2):
            mask = x.get("support_mask", tf.ones_like(x["support_y"], "bool"))
            support_y, mask = x["support_y"][i].numpy(), mask[i].numpy()
            known = support_y[mask].max() - 1
            stays = mask & (support_y < known)
            np.testing.assert_array_equal(opened["support_mask"][i], stays)
            np.testing.assert_array_equal(
                opened["support_y"][i].numpy()[stays], support_y[stays]
            )
            np.testing.assert_array_equal(
                labels[i], np.where(query_y[i] < known, query_y[i], -1)
            )


@pytest.mark.parametrize("spec", [FIXED, VARIED])
def test_measures_are_those_of_the_known_classes_alone(spec):
    """One episode at a time, without padding and by scikit-learn."""
    learner = km.learners.ProtoNet(identity())
    data = km.evaluation.open_set_episodes(episodes(spec), unknown_ways=2)
    areas, accuracies = [], []
    for x, query_y in data:
        for i in range(2):
            keep = x["support_mask"][i]
            real = tf.ones_like(query_y[i], "bool")
            real = x.get("query_mask", [real, real])[i]
            labels = query_y[i][real].numpy()
            state = learner.adapt(
                x["support_x"][i][keep], x["support_y"][i][keep]
            )
            logits = learner.predict_query(state, x["query_x"][i][real])
            scores = -np.max(logits, axis=1)
            areas.append(roc_auc_score(labels < 0, scores))
            hits = np.argmax(logits, axis=1) == labels
            accuracies.append(hits[labels >= 0].mean())
    received = km.evaluation.evaluate_open_set(learner, data, "max_logit")
    assert received["auroc"] == pytest.approx(np.mean(areas), rel=1e-5)
    assert received["accuracy"] == pytest.approx(np.mean(accuracies), rel=1e-5)
    width = 1.96 * np.std(areas, ddof=1) / np.sqrt(len(areas))
    assert received["auroc_ci95"] == pytest.approx(width, rel=1e-3)


def test_needs_more_ways_than_unknown_ones():
    data = km.evaluation.open_set_episodes(episodes(FIXED), unknown_ways=5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more ways than"):
        next(iter(data))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: episodes(FIXED, None), "ends"),
        (lambda: episodes(FIXED), "queries of its classes and others"),
        (lambda: [1, 2], "Received: data of type list"),
    ],
)
def test_wrong_data(make, message):
    learner = km.learners.ProtoNet(identity())
    with pytest.raises(ValueError, match=message):
        km.evaluation.evaluate_open_set(learner, make())


def test_labels_may_have_an_axis():
    def widen(x, query_y):
        return {**x, "support_y": x["support_y"][..., None]}, query_y[..., None]

    learner = km.learners.ProtoNet(identity())
    expected = km.evaluation.evaluate_open_set(
        learner, km.evaluation.open_set_episodes(episodes(FIXED), 2)
    )
    wide = km.evaluation.open_set_episodes(episodes(FIXED).map(widen), 2)
    assert km.evaluation.evaluate_open_set(learner, wide) == expected
    wide = km.evaluation.open_set_episodes(episodes(FIXED), 2).map(widen)
    assert km.evaluation.evaluate_open_set(learner, wide) == expected


def test_logits_of_nan_are_no_fault_of_the_data():
    inputs = keras.Input((4,))
    spoiled = keras.layers.Rescaling(np.nan)(inputs)
    learner = km.learners.ProtoNet(keras.Model(inputs, spoiled))
    data = km.evaluation.open_set_episodes(episodes(FIXED), unknown_ways=2)
    with pytest.raises(ValueError, match="Received: NaN in 6 of 6 episodes"):
        km.evaluation.evaluate_open_set(learner, data)
