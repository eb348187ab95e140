import math

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes.images.image_reader import ImageReader

IMAGES = np.random.default_rng(0).integers(256, size=(3, 8, 8, 3))


@pytest.fixture
def paths(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, IMAGES):
        path.write_bytes(tf.io.encode_png(image.astype("uint8")).numpy())
    return paths


def test_images_that_fit_stay_small_in_memory(paths):
    images = ImageReader(paths, (8, 8), 3, "bilinear").read_all(math.inf)
    assert images.dtype == "uint8"
    np.testing.assert_array_equal(images, IMAGES)


def test_one_image_that_does_not_fit_makes_all_floats(paths):
    image = tf.io.encode_png(np.full((16, 4, 3), 7, "uint8"))
    paths[1].write_bytes(image.numpy())
    images = ImageReader(paths, (8, 8), 3, "bilinear").read_all(math.inf)
    assert images.dtype == "float32"
    np.testing.assert_array_equal(images[[0, 2]], IMAGES[[0, 2]])
    assert (images[1] == 7).all()
    size = 3 * 8 * 8 * 3
    reader = ImageReader(paths, (8, 8), 3, "bilinear")
    # The first fits into the limit as bytes, all of them do not as floats.
    assert reader.read_all(4 * size) is None
    assert reader.read_all(4 * size + 1) is not None


def test_the_limit_is_on_decoded_bytes(paths):
    reader = ImageReader(paths, (8, 8), 3, "bilinear")
    assert reader.read_all(3 * 8 * 8 * 3) is None
    assert reader.read_all(3 * 8 * 8 * 3 + 1).shape == (3, 8, 8, 3)
    assert reader.read_all(0) is None


@pytest.mark.parametrize("method", ["area", "nearest", "bilinear"])
def test_resizes_as_tensorflow_does(paths, method):
    reader = ImageReader(paths, (3, 5), 3, method)
    expected = tf.image.resize(IMAGES.astype("uint8"), (3, 5), method)
    loaded = reader.load(tf.constant([2, 0], "int64"))
    assert loaded.dtype == "float32"
    np.testing.assert_allclose(loaded, tf.gather(expected, [2, 0]), atol=1e-4)
