import io
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


def encoded(image, file_type):
    """Return the bytes of a file of a Pillow image."""
    file = io.BytesIO()
    image.save(file, file_type)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG of 16 bits", "BMP with a palette"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_would_be_misread_is_named(paths, kind, channels):
    image_module = pytest.importorskip("PIL.Image")
    if kind == "PNG of 16 bits":
        image = image_module.fromarray(IMAGES[0, ..., 0].astype("uint16") * 99)
    else:
        image = image_module.fromarray(IMAGES[0].astype("uint8")).quantize(32)
    paths[1].write_bytes(encoded(image, kind[:3]))
    reader = ImageReader(paths, (8, 8), channels, "bilinear")
    with pytest.raises(ValueError, match="PNG of 8 bits.*1.png"):
        reader.read_all(math.inf)
    with pytest.raises(tf.errors.InvalidArgumentError, match="8 bits.*1.png"):
        tf.function(reader.load)(tf.constant([0, 1], "int64"))


@pytest.mark.parametrize("channels", [1, 3])
def test_what_has_a_palette_and_is_read_well(paths, channels):
    image_module = pytest.importorskip("PIL.Image")
    grey = image_module.fromarray(IMAGES[0, ..., 0].astype("uint8"))
    paths[0].write_bytes(encoded(grey, "BMP"))
    colors = image_module.fromarray(IMAGES[1].astype("uint8")).quantize(32)
    paths[1].write_bytes(encoded(colors, "PNG"))
    images = ImageReader(paths[:2], (8, 8), channels, "bilinear").read_all(1e9)
    mode = "L" if channels == 1 else "RGB"
    for image, expected in zip(images, (grey, colors)):
        expected = np.asarray(expected.convert(mode)).reshape(8, 8, channels)
        np.testing.assert_allclose(image, expected, atol=1)


def test_jpeg_of_four_colours(paths):
    image_module = pytest.importorskip("PIL.Image")
    pixels = np.tile(np.arange(0, 256, 32), (8, 1)).astype("uint8")
    image = image_module.fromarray(pixels).convert("CMYK")
    paths[0].write_bytes(encoded(image, "JPEG"))
    grey, colors = (
        ImageReader(paths[:1], (8, 8), channels, "bilinear").read_all(math.inf)
        for channels in (1, 3)
    )
    np.testing.assert_allclose(grey[0, ..., 0], pixels, atol=8)
    np.testing.assert_allclose(
        grey[0], tf.image.rgb_to_grayscale(colors[0]), atol=1
    )
