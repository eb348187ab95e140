import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays

GENERATOR = np.random.default_rng(0)
X = GENERATOR.integers(0, 256, size=(24, 5, 5, 3)).astype("uint8")
Y = np.repeat(np.arange(4), 6)


def test_turned_images_are_classes():
    spec = EpisodeSpec(16, 2, 4)
    data = episodes_from_arrays(
        X, Y, spec, num_episodes=1, batch_size=1, class_rotations=True
    )
    x, query_y = next(iter(data))
    images = np.concatenate([x["support_x"][0], x["query_x"][0]])
    labels = np.concatenate([x["support_y"][0], query_y[0]])
    expected = {
        (label, turn): {
            np.rot90(image, turn).astype("float32").tobytes()
            for image in X[Y == label]
        }
        for label in range(4)
        for turn in range(4)
    }
    found = [
        {image.tobytes() for image in images[labels == label]}
        for label in range(16)
    ]
    for examples in expected.values():
        assert found.count(examples) == 1


def test_groups_stay_together():
    spec = EpisodeSpec(8, 1, 1, within_groups=True)
    data = episodes_from_arrays(
        X, Y, spec, groups=Y // 2, class_rotations=True, num_episodes=8
    )
    whole = {image.tobytes(): y // 2 for image, y in zip(X, Y)}
    for x, _ in data:
        for images in x["support_x"].numpy().astype("uint8"):
            turned = [
                np.rot90(i, k).tobytes() for i in images for k in range(4)
            ]
            assert len({whole[t] for t in turned if t in whole}) == 1


@pytest.mark.parametrize("shape", [(5, 4, 3), (5,)])
def test_images_must_be_square(shape):
    with pytest.raises(ValueError, match="turns square images"):
        episodes_from_arrays(
            np.zeros((24, *shape)),
            Y,
            EpisodeSpec(2, 1, 1),
            class_rotations=True,
        )


def test_regression_has_no_classes_to_turn():
    with pytest.raises(ValueError, match="regression tasks have none"):
        episodes_from_arrays(
            X,
            Y,
            EpisodeSpec(shots=2, queries=2),
            groups=Y,
            class_rotations=True,
        )
