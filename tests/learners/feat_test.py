import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.feat import FEAT

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1])
SUPPORT = GENERATOR.normal(size=(7, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(5, 3)).astype("float32")
QUERY_LABELS = np.array([0, 1, 2, 0, 1])
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def identity():
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


def made(backbone=None, **kwargs):
    arguments = {
        "temperature": 0.5,
        "contrastive_weight": 0.3,
        "contrastive_temperature": 2.0,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        **kwargs,
    }
    learner = FEAT(backbone or identity(), **arguments)
    learner.compile(loss=CROSSENTROPY)
    return learner


def solved(learner, support_x=SUPPORT, labels=LABELS, mask=None):
    mask = None if mask is None else tf.constant(mask)
    state = learner.adapt(tf.constant(support_x), tf.constant(labels), mask)
    return learner.predict_query(state, tf.constant(QUERIES)).numpy()


def episodes(**masks):
    x = {
        "support_x": SUPPORT,
        "support_y": LABELS,
        "query_x": QUERIES,
        **{name: np.array(mask) for name, mask in masks.items()},
    }
    x, query_y = tf.nest.map_structure(
        lambda t: tf.constant(t[None]), (x, QUERY_LABELS)
    )
    return x, query_y


def negative_distances(x, centers):
    return -((x[:, None] - centers[None]) ** 2).sum(axis=-1)


def crossentropies(logits, labels):
    logits = logits - logits.max(axis=-1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -logs[np.arange(len(labels)), labels]


def contrastive_by_hand(learner, x, labels):
    """The mean over all examples, with one set for each class."""
    centers = np.array(
        [
            learner.set_attention(x[None, labels == n])[0].numpy().mean(axis=0)
            for n in range(3)
        ]
    )
    return crossentropies(negative_distances(x, centers) / 2, labels).mean()


def test_logits_are_distances_to_adapted_prototypes():
    learner = made()
    prototypes = [SUPPORT[LABELS == n].mean(axis=0) for n in range(3)]
    adapted = learner.set_attention(np.array([prototypes]))[0]
    np.testing.assert_allclose(
        solved(learner),
        negative_distances(QUERIES, adapted.numpy()) / 0.5,
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_contrastive_loss_is_that_of_the_paper():
    learner = made()
    x = np.concatenate([SUPPORT, QUERIES])
    labels = np.concatenate([LABELS, QUERY_LABELS]).astype("int32")
    np.testing.assert_allclose(
        learner.contrastive_loss(x[None], labels[None]),
        contrastive_by_hand(learner, x, labels),
        rtol=1e-4,
    )


def test_the_contrastive_loss_is_added_in_training_only():
    learner = made()
    plain = crossentropies(solved(learner), QUERY_LABELS).mean()
    x = np.concatenate([SUPPORT, QUERIES])
    labels = np.concatenate([LABELS, QUERY_LABELS]).astype("int32")
    added = 0.3 * contrastive_by_hand(learner, x, labels)
    tested, _ = learner.meta_loss(*episodes(), training=False)
    trained, _ = learner.meta_loss(*episodes(), training=True)
    np.testing.assert_allclose(tested, plain, rtol=1e-4)
    np.testing.assert_allclose(trained, plain + added, rtol=1e-4)
    # Nothing of the step before is left.
    again, _ = learner.meta_loss(*episodes(), training=True)
    np.testing.assert_allclose(again, trained, rtol=1e-6)


def test_padding_is_left_out_of_both_losses():
    learner = made(ways=4)
    x, query_y = episodes(
        support_mask=[True, True, True, False, True, False, False],
        query_mask=[True, True, False, True, False],
    )
    padded, _ = learner.meta_loss(x, query_y)
    short = {
        "support_x": tf.gather(x["support_x"], [0, 1, 2, 4], axis=1),
        "support_y": tf.gather(x["support_y"], [0, 1, 2, 4], axis=1),
        "query_x": tf.gather(x["query_x"], [0, 1, 3], axis=1),
    }
    alone, _ = learner.meta_loss(short, tf.gather(query_y, [0, 1, 3], axis=1))
    np.testing.assert_allclose(padded, alone, rtol=1e-5)


def test_absent_classes_do_not_matter():
    learner = made(ways=4)
    alone = solved(learner, SUPPORT[[0, 2, 3]], LABELS[[0, 2, 3]] - 1)
    learner.ways = 2
    narrow = solved(learner, SUPPORT[[0, 2, 3]], LABELS[[0, 2, 3]] - 1)
    np.testing.assert_allclose(alone[:, :2], narrow, rtol=1e-4, atol=1e-5)
    assert set(alone.argmax(axis=-1)) <= {0, 1}


def test_numbering_the_classes_differently_permutes_the_logits():
    learner, order = made(), np.array([2, 0, 1])
    renamed = solved(learner, labels=order[LABELS])
    np.testing.assert_allclose(
        renamed[:, order], solved(learner), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    "dropout", [0.0, pytest.param(0.5, marks=pytest.mark.slow)]
)
def test_gradients_are_exact(dropout):
    backbone = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    learner = made(backbone, ways=4, dropout=dropout, attention_dropout=dropout)
    data = episodes(support_mask=[True] * 6 + [False])
    error = km.testing.verify_meta_gradient(learner, *data, directions=2)
    assert error < 1e-5


def test_one_hot_targets_need_no_contrastive_loss():
    x, query_y = episodes()
    one_hot = tf.one_hot(query_y, 3)
    with pytest.raises(ValueError, match="contrastive_weight=0"):
        made().meta_loss(x, one_hot)
    learner = made(contrastive_weight=0)
    learner.compile(loss=keras.losses.CategoricalCrossentropy(True))
    received, _ = learner.meta_loss(x, one_hot)
    plain = crossentropies(solved(learner), QUERY_LABELS).mean()
    np.testing.assert_allclose(received, plain, rtol=1e-4)


@pytest.mark.parametrize(
    "name", ["temperature", "contrastive_weight", "contrastive_temperature"]
)
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=-1"):
        made(**{name: -1})
