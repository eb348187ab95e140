import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT = GENERATOR.normal(size=(6, 3))
QUERY = GENERATOR.normal(size=(7, 3))
LABELS = np.array([0, 1, 2, 0, 1, 0])


def logits_of(log_spread=None, **kwargs):
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(keras.Model(inputs, inputs), **kwargs)
    if log_spread is not None:
        learner.log_spread.assign(log_spread)
    return learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)


def distances(a, b):
    return ((a[:, None] - b) ** 2).sum(axis=-1)


def reference(steps, spread=None, others=QUERY):
    """The formulas of the paper, section 3.1, one example at a time."""
    prototypes = np.stack([SUPPORT[LABELS == n].mean(0) for n in range(3)])
    for _ in range(steps):
        sums = np.stack([SUPPORT[LABELS == n].sum(0) for n in range(3)])
        counts = np.bincount(LABELS).astype("float64")
        for x in others:
            powers = np.exp(-((x - prototypes) ** 2).sum(axis=1))
            total = powers.sum()
            if spread is not None:
                total += np.exp(-(x**2).sum() / spread**2 - np.log(spread))
            sums += (powers / total)[:, None] * x
            counts += powers / total
        prototypes = sums / counts[:, None]
    return -distances(QUERY, prototypes)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("steps", [1, 3])
def test_formula(steps):
    np.testing.assert_allclose(
        logits_of(steps=steps), reference(steps), rtol=1e-9, atol=1e-9
    )


@pytest.mark.usefixtures("float64")
def test_distractors():
    received = logits_of(log_spread=np.log(2.5), distractors=True)
    np.testing.assert_allclose(
        received, reference(1, spread=2.5), rtol=1e-9, atol=1e-9
    )
    assert np.abs(received - logits_of()).max() > 0.01


def test_the_spread_is_trained_and_saved(tmp_path):
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(
        keras.Model(inputs, inputs), distractors=True
    )
    assert [v.name for v in learner.trainable_variables] == ["log_spread"]
    assert float(learner.log_spread) == pytest.approx(np.log(100.0))
    learner.log_spread.assign(0.7)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert float(loaded.log_spread) == pytest.approx(0.7)


def test_queries_far_from_all_prototypes_are_left_out():
    """From the wide spread that it begins with, and without training."""
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(
        keras.Model(inputs, inputs), distractors=True
    )
    state = learner.adapt(SUPPORT, LABELS)
    far = np.concatenate([QUERY, [[9.0, -9.0, 9.0]]])
    np.testing.assert_allclose(
        learner.predict_query(state, far)[:-1],
        learner.predict_query(state, QUERY),
        rtol=1e-5,
        atol=1e-5,
    )


UNLABELLED = GENERATOR.normal(size=(5, 3))
SOME = np.concatenate([UNLABELLED[:2], SUPPORT, UNLABELLED[2:]])
SOME_LABELS = np.concatenate([[-1, -1], LABELS, [-1, -1, -1]])


def semi_supervised(transductive, log_spread=None, mask=None, **kwargs):
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(
        keras.Model(inputs, inputs), transductive=transductive, **kwargs
    )
    if log_spread is not None:
        learner.log_spread.assign(log_spread)
    state = learner.adapt(SOME, SOME_LABELS, mask)
    return learner, learner.predict_query(state, QUERY)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("spread", [None, 2.5])
@pytest.mark.parametrize("transductive", [True, False])
def test_unlabelled_examples_of_the_support_set(transductive, spread, steps):
    queries = QUERY if transductive else QUERY[:0]
    learner, received = semi_supervised(
        transductive,
        None if spread is None else np.log(spread),
        steps=steps,
        distractors=spread is not None,
    )
    others = np.concatenate([UNLABELLED, queries])
    np.testing.assert_allclose(
        received, reference(steps, spread, others), rtol=1e-9, atol=1e-9
    )
    assert learner.transductive == transductive
    copy = type(learner).from_config(learner.get_config())
    assert copy.transductive == transductive


@pytest.mark.usefixtures("float64")
def test_padding_is_no_unlabelled_example():
    mask = np.arange(len(SOME)) < 8 + 2
    _, received = semi_supervised(False, mask=mask)
    np.testing.assert_allclose(
        received, reference(1, None, UNLABELLED[:4]), rtol=1e-9, atol=1e-9
    )


def test_queries_do_not_see_each_other_without_transduction():
    learner, together = semi_supervised(False)
    state = learner.adapt(SOME, SOME_LABELS)
    alone = [learner.predict_query(state, query[None])[0] for query in QUERY]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def hide_labels(x, query_y):
    """Keep one label of each of three classes; two more are distractors."""
    one_hot = tf.one_hot(x["support_y"], 5, dtype="int32")
    number = tf.reduce_sum(tf.cumsum(one_hot, axis=1) * one_hot, axis=-1)
    has_label = (number == 1) & (x["support_y"] < 3)
    x["support_y"] = tf.where(has_label, x["support_y"], -1)
    return x, tf.where(query_y < 3, query_y, -1)


def without_unlabelled(x, query_y):
    x["support_mask"] = x["support_y"] >= 0
    return x, query_y


def test_unlabelled_examples_help():
    """Beside distractors, by more than the intervals are wide."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(30), 20)
    x = 0.4 * generator.normal(size=(600, 10))
    x += 0.5 * generator.normal(size=(30, 10))[y]
    spec = km.episodes.EpisodeSpec(ways=5, shots=6, queries=5)
    data = km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=20, num_episodes=400
    ).map(hide_labels)
    inputs = keras.Input((10,))
    identity = keras.Model(inputs, inputs)

    def accuracy(learner, data):
        learner.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        logs = learner.evaluate(data, verbose=0, return_dict=True)
        return logs["accuracy"], logs["accuracy_ci95"]

    before, width = accuracy(
        km.learners.ProtoNet(identity), data.map(without_unlabelled)
    )
    after, other_width = accuracy(
        km.learners.SoftKMeans(identity, distractors=True, transductive=False),
        data,
    )
    assert after - before > width + other_width


def test_a_task_without_labels_is_refused():
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(keras.Model(inputs, inputs))
    x = np.zeros((2, 3))
    with pytest.raises(ValueError, match="Received: labels of -1 only"):
        learner.adapted_model(x, np.array([-1, -1]))
    with pytest.raises(ValueError, match="Received: support labels"):
        learner.adapted_model(x, np.array([-2, 0]))
    assert learner.adapted_model(x, np.array([-1, 0])).predict(
        x, verbose=0
    ).shape == (2, 1)
    proto_net = km.learners.ProtoNet(learner.backbone)
    with pytest.raises(ValueError, match="Received: support labels"):
        proto_net.adapted_model(x, np.array([-1, 0]))


@pytest.mark.parametrize("name", ["steps", "initial_spread"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=-1"):
        logits_of(**{name: -1})
