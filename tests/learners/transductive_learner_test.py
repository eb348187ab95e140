import functools

import keras
import numpy as np
import pytest

import kerasmeta as km

LEARNERS = [
    km.learners.SoftKMeans,
    km.learners.BDCSPN,
    km.learners.LaplacianShot,
    functools.partial(km.learners.TIM, steps=30),
    functools.partial(km.learners.PTMAP, steps=5),
]


@pytest.mark.parametrize("build", LEARNERS)
def test_queries_see_each_other(build):
    generator = np.random.default_rng(0)
    support, query = generator.uniform(size=(2, 6, 4))
    inputs = keras.Input((4,))
    learner = build(keras.Model(inputs, inputs))
    state = learner.adapt(support, np.arange(6) % 3)
    before = learner.predict_query(state, query)
    query[1:] = generator.uniform(size=(5, 4))
    after = learner.predict_query(state, query)
    assert learner.transductive
    assert np.abs(before[0] - after[0]).max() > 1e-4


@pytest.mark.parametrize("build", LEARNERS)
def test_a_support_example_asked_alone(build):
    """It is of its own class, also beside padding and larger tasks."""
    generator = np.random.default_rng(0)
    support, y = generator.uniform(size=(4, 8)), np.arange(4)
    inputs = keras.Input((8,))
    learner = build(keras.Model(inputs, inputs))
    state = learner.adapt(support, y)
    alone = [learner.predict_query(state, x[None])[0] for x in support]
    np.testing.assert_array_equal(np.argmax(alone, axis=-1), y)
    mask = np.eye(4, dtype="bool")
    mask[0] = True
    together = learner(
        {
            "support_x": np.tile(support, (4, 1, 1)),
            "support_y": np.tile(y, (4, 1)),
            "query_x": np.tile(support, (4, 1, 1)),
            "query_mask": mask,
        }
    )
    for i in range(1, 4):
        np.testing.assert_allclose(together[i, i], alone[i], atol=1e-4)
    several = learner.predict_query(state, support)
    np.testing.assert_allclose(together[0], several, atol=1e-4)


def test_labels_may_have_an_axis():
    generator = np.random.default_rng(0)
    x, y = generator.uniform(size=(2, 6, 4)), np.tile(np.arange(6) % 3, (2, 1))
    inputs = keras.Input((4,))
    learner = km.learners.SoftKMeans(keras.Model(inputs, inputs))
    episodes = {"support_x": x, "support_y": y, "query_x": x}
    expected = learner.predict_on_batch(episodes)
    episodes["support_y"] = y[..., None]
    np.testing.assert_array_equal(learner.predict_on_batch(episodes), expected)


def one_shot_tasks(tasks=150, ways=4, queries=12, size=10, spread=0.2):
    """Return episodes of round classes with one noisy example each."""
    generator = np.random.default_rng(0)
    centers = generator.uniform(size=(tasks, ways, size))

    def draw(labels):
        noise = spread * generator.normal(size=(tasks, len(labels), size))
        return np.abs(centers[:, labels] + noise).astype("float32")

    support_y, query_y = np.arange(ways), np.arange(ways * queries) % ways
    episodes = {
        "support_x": draw(support_y),
        "support_y": np.tile(support_y, (tasks, 1)),
        "query_x": draw(query_y),
    }
    return episodes, query_y


@pytest.mark.parametrize("build", LEARNERS)
def test_queries_help(build):
    """With one shot, each beats nearest class means by more than chance."""
    episodes, query_y = one_shot_tasks()
    inputs = keras.Input((10,))
    identity = keras.Model(inputs, inputs)

    def accuracies(learner):
        answers = learner.predict_on_batch(episodes).argmax(axis=-1)
        return (answers == query_y).mean(axis=1)

    gain = accuracies(build(identity)) - accuracies(
        km.learners.SimpleShot(identity)
    )
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))
