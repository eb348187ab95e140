import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes.tfds.record_loader import RecordLoader

SPEC = {
    "image": tf.TensorSpec([2, 2, 1], "uint8"),
    "text": tf.TensorSpec([], tf.string),
}
WORDS = "Prepare it again.*example 4 of the split.*says: Invalid PNG data"


def parse(record):
    image = tf.io.decode_png(record)
    return {
        "image": tf.ensure_shape(image, SPEC["image"].shape),
        "text": tf.strings.substr(record, 1, 3),
    }


@pytest.fixture
def records():
    images = np.arange(9 * 4, dtype="uint8").reshape(9, 2, 2, 1)
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    return np.array(encoded, dtype=object), images


def loader_of(records):
    return RecordLoader(lambda ids: records[ids], parse, SPEC)


def lazily(loader, ids):
    [examples] = tf.data.Dataset.from_tensors(ids).map(loader.load)
    return {name: tensor.numpy() for name, tensor in examples.items()}


def test_examples_are_those_of_the_ids(records):
    records, images = records
    loader, ids = loader_of(records), np.array([7, 0, 0, 3])
    for examples in (loader.load_all(ids), lazily(loader, ids)):
        np.testing.assert_array_equal(examples["image"], images[ids])
        assert examples["text"].tolist() == [b"PNG"] * 4


def test_an_example_that_is_damaged_is_told(records):
    records, _ = records
    loader, ids = loader_of(records), np.arange(9)
    records[4] = records[4][:-20]
    with pytest.raises(ValueError, match=WORDS):
        loader.load_all(ids)
    with pytest.raises(tf.errors.InvalidArgumentError, match=WORDS):
        lazily(loader, ids)


def test_an_error_that_does_not_come_again_is_none(records):
    """Such as of memory that was short for a moment."""
    records, images = records
    fails = tf.Variable(True)

    def fragile(record):
        with tf.control_dependencies([tf.debugging.assert_equal(fails, False)]):
            return parse(record)

    loader = RecordLoader(lambda ids: records[ids], fragile, SPEC)
    read_each = loader._read_each

    def recovered(ids):
        fails.assign(False)
        return read_each(ids)

    loader._read_each = recovered
    examples = lazily(loader, np.arange(9))
    np.testing.assert_array_equal(examples["image"], images)
