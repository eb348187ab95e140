import numpy as np
import pytest

import kerasmeta as km
from kerasmeta.episodes import episodes_from_pixels
from kerasmeta.episodes import pixel_coordinates

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype="uint8")
SPEC = km.episodes.EpisodeSpec(shots=8, queries=12)


def by_coordinates(images):
    """Return a dictionary `(image, coordinates) -> intensities`."""
    pixels = images.reshape(len(images), 20, -1)
    places = [tuple(place) for place in pixel_coordinates(5, 4)]
    return [dict(zip(places, image)) for image in pixels]


def test_an_episode_is_all_of_one_image():
    data = episodes_from_pixels(IMAGES, SPEC, 6, num_episodes=60)
    expected = by_coordinates(IMAGES / np.float32(255))
    found = set()
    for x, query_y in data:
        places = np.concatenate([x["support_x"], x["query_x"]], 1)
        values = np.concatenate([x["support_y"], query_y], 1)
        for task_x, task_y in zip(places, values):
            # Without replacement: 20 pixels are all there are.
            [image] = [
                i
                for i, pixels in enumerate(expected)
                if all(
                    np.allclose(pixels[tuple(place)], value)
                    for place, value in zip(task_x, task_y)
                )
            ]
            assert len({tuple(place) for place in task_x}) == 20
            found.add(image)
    assert found == set(range(6))


def test_coordinates():
    grid = pixel_coordinates(3, 5).reshape(3, 5, 2)
    np.testing.assert_array_equal(grid[0, 0], [-1, -1])
    np.testing.assert_array_equal(grid[2, 0], [1, -1])
    np.testing.assert_array_equal(grid[1, 4], [0, 1])
    np.testing.assert_array_equal(pixel_coordinates(1, 2)[:, 0], [-1, -1])


def test_grayscale_floats_and_ranges():
    images = (IMAGES[..., 0] / 300 - 0.5).astype("float32")
    spec = km.episodes.EpisodeSpec(shots=(1, 8), queries=5)
    x, query_y = next(iter(episodes_from_pixels(images, spec, 3)))
    assert x["support_mask"].shape == (3, 8)
    assert query_y.shape == (3, 5, 1)
    assert query_y.dtype == "float32"
    assert np.isin(query_y, images).all()


def test_learners_take_them():
    learner = km.learners.ConditionalNeuralProcess(2, 3, width=4)
    learner.compile("adam", km.losses.GaussianNegativeLogLikelihood())
    data = episodes_from_pixels(IMAGES, SPEC, 2, num_episodes=4)
    assert np.isfinite(learner.evaluate(data, verbose=0))


@pytest.mark.parametrize(
    "images, message",
    [
        (IMAGES[0, 0], r"of shape \(4, 3\)"),
        (IMAGES.astype("int32"), "dtype int32"),
        (np.full((2, 5, 4), np.nan), "40 such pixels"),
    ],
)
def test_bad_images(images, message):
    with pytest.raises(ValueError, match=message):
        episodes_from_pixels(images, SPEC)


def test_bad_spec():
    with pytest.raises(ValueError, match="leave `ways` out"):
        episodes_from_pixels(IMAGES, km.episodes.EpisodeSpec(ways=2))
