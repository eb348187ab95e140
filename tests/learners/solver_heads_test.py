"""What all heads keep that solve a convex problem for each task."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

KINDS = ("support", "query")
SPEC = km.episodes.EpisodeSpec(ways=3, shots=2, queries=4)
VARIED = km.episodes.EpisodeSpec((2, 4), (1, 3), (1, 4), unbalanced=True)
LEARNERS = {
    "R2D2": km.learners.R2D2,
    "LRD2": km.learners.LRD2,
    "MetaOptNet": km.learners.MetaOptNet,
}


@pytest.fixture(params=LEARNERS)
def head(request):
    return LEARNERS[request.param]


def compiled(head, width=6, **kwargs):
    backbone = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, "tanh"),
            keras.layers.Dense(width),
        ]
    )
    learner = head(backbone, **kwargs)
    learner.compile(
        keras.optimizers.Adam(3e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return learner


def vectors(spec=SPEC, num_episodes=4):
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 12)
    x = generator.normal(size=(8, 5))[y]
    x += generator.normal(size=x.shape)
    return km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=4, num_episodes=num_episodes
    )


def first_batch(spec=SPEC):
    episodes, query_y = next(iter(vectors(spec)))[:2]
    return dict(episodes), query_y


def predictions_alone(learner, episodes, i):
    """Return the predictions of one task, without its padding."""
    support, query = (episodes[f"{name}_mask"][i] for name in KINDS)
    return learner(
        {
            "support_x": episodes["support_x"][i][support][None],
            "support_y": episodes["support_y"][i][support][None],
            "query_x": episodes["query_x"][i][query][None],
        }
    )[0]


# Embeddings narrower, and wider, than support sets are large.
@pytest.mark.parametrize("width", [3, 20])
def test_padded_episodes_give_what_each_gives_alone(head, width):
    learner = compiled(head, width)
    episodes, _ = first_batch(VARIED)
    for name in KINDS:
        mask = episodes[f"{name}_mask"]
        assert len(set(mask.numpy().sum(axis=1))) > 1
        x = episodes[f"{name}_x"]
        episodes[f"{name}_x"] = tf.where(mask[..., None], x, 100.0)
    together = learner(episodes)
    for i in range(4):
        alone = predictions_alone(learner, episodes, i)
        ours = together[i][episodes["query_mask"][i]]
        # Classes that only other tasks have are ruled out.
        np.testing.assert_allclose(
            ours[:, : alone.shape[-1]], alone, rtol=1e-3, atol=1e-4
        )
        assert (tf.argmax(ours, -1) < alone.shape[-1]).numpy().all()


def test_classes_and_examples_in_another_order(head):
    learner = compiled(head)
    episodes, _ = first_batch()
    before = learner(episodes).numpy()
    generator = np.random.default_rng(1)
    classes, examples = generator.permutation(3), generator.permutation(6)
    renamed = tf.gather(tf.constant(classes, "int32"), episodes["support_y"])
    after = learner(
        {
            "support_x": tf.gather(episodes["support_x"], examples, axis=1),
            "support_y": tf.gather(renamed, examples, axis=1),
            "query_x": episodes["query_x"],
        }
    ).numpy()
    np.testing.assert_allclose(
        after[..., classes], before, rtol=1e-3, atol=1e-4
    )


def test_an_absent_class_changes_nothing(head):
    episodes, _ = first_batch()
    learner = compiled(head)
    more = head(learner.backbone, ways=5)
    expected, ours = learner(episodes), more(episodes)
    np.testing.assert_allclose(ours[..., :3], expected, rtol=1e-4, atol=1e-5)
    assert (tf.argmax(ours, -1) < 3).numpy().all()


def test_unknown_sizes(head):
    learner = compiled(head)
    episodes, _ = first_batch()
    signature = {
        name: tf.TensorSpec([None] * 2 + tensor.shape[2:], tensor.dtype)
        for name, tensor in episodes.items()
    }
    solved = tf.function(learner.solve, input_signature=[signature])
    np.testing.assert_allclose(
        solved(episodes), learner(episodes), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    "policy",
    [
        "mixed_float16",
        pytest.param("mixed_bfloat16", marks=pytest.mark.slow),
    ],
)
def test_half_precision_does_not_overflow(head, policy):
    """Norms of embeddings whose squares are beyond half precision."""
    scaled = keras.layers.Rescaling(500.0, dtype=policy)
    backbone = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(20, dtype=policy), scaled]
    )
    learner = head(backbone)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        auto_scale_loss=False,  # Gradients that overflow are part of scaling.
    )
    episodes, query_y = first_batch(VARIED)
    loss, predictions, gradients = learner.meta_gradients(episodes, query_y)
    assert predictions.dtype == "float32"
    for tensor in (loss, predictions, *gradients):
        assert np.isfinite(tensor).all()


@pytest.mark.parametrize("name", ["R2D2", "LRD2"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_equal_shots(name, scale):
    """Their systems are singular, if the penalty is lost beside them."""
    x = scale * tf.constant(np.random.default_rng(0).normal(size=(6, 5)))
    inputs = keras.Input((5,))
    learner = LEARNERS[name](keras.Model(inputs, inputs))
    learner.log_penalty.assign(-40.0)
    y = tf.constant([0, 1, 2])
    state = learner.adapt(tf.repeat(x[:3], 4, axis=0), tf.repeat(y, 4))
    answers = tf.argmax(learner.predict_query(state, x[:3]), -1)
    np.testing.assert_array_equal(answers, y)


@pytest.mark.slow
@pytest.mark.parametrize("width, spec", [(3, VARIED), (8, SPEC)])
def test_meta_gradient_is_exact(head, width, spec):
    learner = compiled(head, width)
    error = km.testing.verify_meta_gradient(
        learner, *first_batch(spec), directions=1
    )
    assert error < 1e-5
