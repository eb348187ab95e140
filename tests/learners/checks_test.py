import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

SUPPORT = np.zeros((2, 6, 8), "float32")
LABELS = np.tile(np.array([0, 1, 2, 0, 1, 2], "int32"), (2, 1))


def learner():
    learner = km.learners.MAML(km.backbones.mlp((8,), 3, units=(4,)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(optimizer="sgd", loss=loss)
    return learner


def dataset(**changes):
    parts = {
        "support_x": SUPPORT,
        "support_y": LABELS,
        "query_x": SUPPORT,
        "query_y": LABELS,
        **changes,
    }
    parts = {name: value for name, value in parts.items() if value is not None}
    query_y = parts.pop("query_y")
    return tf.data.Dataset.from_tensors((parts, query_y))


BAD = {
    "no query": (dataset(query_x=None), r"Received: x=\['support_x'"),
    "extra part": (dataset(query_ids=LABELS), "query_ids"),
    "not a tuple": (
        dataset().map(lambda x, y: x["query_x"]),
        "Received elements of",
    ),
    "single episodes": (dataset().unbatch(), "shape"),
    "other tasks": (dataset(query_x=SUPPORT[:1]), r"tasks, \[1, 2\]"),
    "other labels": (
        dataset(support_y=LABELS[:, :4]),
        r"support examples, \[4, 6\]",
    ),
    "other queries": (dataset(query_y=LABELS[:, :4]), r"queries, \[4, 6\]"),
    "other mask": (
        dataset(support_mask=np.ones((2, 1), bool)),
        r"support examples, \[1, 6\]",
    ),
    "mask with features": (
        dataset(query_mask=np.ones((2, 6, 1), bool)),
        "A mask must have one bool",
    ),
    "NaN": (dataset(query_x=SUPPORT * np.nan), "`query_x` holds NaN"),
    "too many classes": (
        dataset(support_y=LABELS + 2, query_y=LABELS + 2),
        "head of width 3, labels 2..4",
    ),
    "negative labels": (
        dataset(support_y=LABELS - 1, query_y=LABELS - 1),
        "labels -1..1",
    ),
    "other features": (
        dataset(support_x=SUPPORT[..., :5], query_x=SUPPORT[..., :5]),
        "does not take examples like those",
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_bad_datasets(case, method):
    data, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        getattr(learner(), method)(data)


def test_bad_validation_data():
    data, message = BAD["NaN"]
    with pytest.raises(ValueError, match=message):
        learner().fit(dataset(), validation_data=data)


def test_arrays_that_are_no_episodes():
    with pytest.raises(ValueError, match="Received: x=ndarray"):
        learner().fit(SUPPORT, LABELS)


def test_arrays_that_are_episodes():
    x = {"support_x": SUPPORT, "support_y": LABELS, "query_x": SUPPORT}
    history = learner().fit(x, LABELS, batch_size=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    "x, y, message",
    [
        (SUPPORT[0, :0], LABELS[0, :0], "at least one example"),
        (SUPPORT[0], LABELS[0, :5], r"\[6, 5\] examples and labels"),
        (SUPPORT[0] * np.nan, LABELS[0], "NaN"),
        (SUPPORT[0], LABELS[0] + 1, "labels 1..3"),
    ],
)
def test_bad_support_sets(x, y, message):
    with pytest.raises(ValueError, match=message):
        learner().adapted_model(x, y)


CLASSES = {
    "unseen": (dict(query_y=LABELS + 1), r"query labels \[3\]"),
    "negative": (dict(support_y=LABELS - 1), r"support labels \[-1, 0, 1\]"),
    "too many": (dict(support_y=LABELS + 1), "less than ways=3"),
    "float": (dict(support_y=LABELS / 1.0), "must be integers"),
}


@pytest.mark.parametrize("case", CLASSES)
def test_labels_that_are_no_classes(case):
    changes, message = CLASSES[case]
    proto_net = km.learners.ProtoNet(
        km.backbones.mlp((8,), 4, units=(4,)), ways=3
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    proto_net.compile(optimizer="sgd", loss=loss)
    with pytest.raises(ValueError, match=message):
        proto_net.fit(dataset(**changes))


FLOATS = LABELS.astype("float32")
BINARY = np.minimum(LABELS, 1)
QUERIES = {
    "a float": ({}, FLOATS - 1, "label -1, an integer.*the label -1.0"),
    "floats": (dict(support_y=FLOATS), FLOATS - 1, "have the label -1, an int"),
    "with an axis": ({}, FLOATS[..., None] - 1, "have the label -1, an int"),
    "too low": ({}, 2 * LABELS - 2, r"query labels -2\.\.2"),
    "too high": ({}, LABELS + 1, r"less than 3.*query labels 1\.\.3"),
}


@pytest.mark.parametrize("case", QUERIES)
def test_query_labels_that_are_no_classes(case):
    """XLA would make NaN of them, and a binary loss anything."""
    changes, query_y, message = QUERIES[case]
    with pytest.raises(ValueError, match=message):
        learner().fit(dataset(**changes, query_y=query_y))


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_binary_labels_of_no_class(dtype):
    binary = km.learners.MAML(km.backbones.mlp((8,), 1, units=(4,)))
    binary.compile("sgd", "binary_crossentropy")
    data = dataset(
        support_y=BINARY[..., None].astype(dtype),
        query_y=BINARY[..., None].astype("float32") - 1,
    )
    with pytest.raises(ValueError, match="have the label -1, an integer"):
        binary.evaluate(data)


def test_negative_targets_of_other_losses_are_fine():
    hinge = km.learners.MAML(km.backbones.mlp((8,), 1, units=(4,)))
    hinge.compile("sgd", "hinge")
    signs = 2.0 * BINARY[..., None] - 1
    history = hinge.fit(dataset(support_y=signs, query_y=signs), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_a_binary_task_may_lack_a_class_in_its_support_set():
    network = km.backbones.mlp((8,), 1, units=(4,))
    learner = km.learners.MAML(network)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    learner.compile(optimizer="sgd", loss=loss)
    zeros, ones = np.zeros_like(LABELS), np.ones_like(LABELS)
    history = learner.fit(
        dataset(support_y=zeros[..., None], query_y=ones[..., None]), verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
