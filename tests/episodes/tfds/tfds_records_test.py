import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes.tfds.tfds_records import load_all
from kerasmeta.episodes.tfds.tfds_records import record_loader


def test_an_example_that_is_damaged_is_told():
    image = tf.io.encode_png(tf.zeros([2, 2, 1], "uint8")).numpy()
    records = np.array([image] * 9, dtype=object)
    spec = tf.TensorSpec([2, 2, 1], "uint8")

    def parse(record):
        return tf.ensure_shape(tf.io.decode_png(record), spec.shape)

    load = record_loader(lambda ids: records[ids], parse, spec)
    assert load_all(load, np.arange(9), spec).shape == (9, 2, 2, 1)
    records[4] = image[:-20]
    with pytest.raises(ValueError, match=r"Prepare it again.*0\.\.8, where"):
        load_all(load, np.arange(9), spec)
