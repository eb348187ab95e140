import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.images.directory import image_episodes_from_directory

SPEC = EpisodeSpec(ways=3, shots=1, queries=2)


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = {
        ".png": tf.io.encode_png,
        ".jpg": tf.io.encode_jpeg,
        ".jpeg": tf.io.encode_jpeg,
    }[path.suffix.lower()]
    path.write_bytes(encode(image).numpy())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four classes of four images, of three sizes and two types."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for i in range(16):
        shape = [(12, 12, 3), (20, 9, 3), (12, 12, 1)][i % 3]
        suffix = (".png", ".JPG", ".jpeg")[i // 4 % 3]
        image = generator.integers(256, size=shape).astype("uint8")
        write_image(root / "abcd"[i // 4] / f"{i}{suffix}", image)
    return root


@pytest.fixture
def omniglot(shared_file, tmp_path):
    """Write two drawings of four characters of three alphabets as files."""
    path = shared_file("data", "omniglot", "omniglot_background_28_u8.npz")
    data = np.load(path)
    images, names = data["images"], data["alphabet_names"]
    kept = (data["alphabet"] < 3) & (data["character"] < 5)
    for i in np.flatnonzero(kept & (data["drawer"] < 4)):
        name = f"character{data['character'][i]:02}"
        folder = tmp_path / str(names[data["alphabet"][i]]) / name
        write_image(folder / f"{data['drawer'][i]}.png", images[i, ..., None])
    return tmp_path, images


def episodes_of(dataset):
    """Return the leaves of all episodes, `[num_episodes, ...]` each."""
    rows = [[a.numpy() for a in tf.nest.flatten(batch)] for batch in dataset]
    return [np.concatenate(leaves) for leaves in zip(*rows)]


def assert_same(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_omniglot_within_alphabets(omniglot):
    folder, images = omniglot
    data = image_episodes_from_directory(
        folder,
        EpisodeSpec(ways=4, shots=1, queries=2, within_groups=True),
        num_episodes=12,
        image_size=(28, 28),
        color_mode="grayscale",
    )
    index = data.episode_stream.source.class_index
    assert index.num_classes == 12
    assert index.class_name(0) == "Alphabet_of_the_Magi/character01"
    known = {image.tobytes() for image in images}
    for x, _ in data:
        assert x["query_x"].shape == (4, 8, 28, 28, 1)
        for image in tf.reshape(x["support_x"], [-1, 28, 28]).numpy():
            assert image.astype("uint8").tobytes() in known
    drawn = data.episode_stream.draw(tf.range(12, dtype="int64"))
    groups = index.group_of_class[index.classes[drawn["support_ids"]]]
    assert (groups == groups[:, :1]).all()
    assert len(set(groups[:, 0])) > 1


def test_values_and_labels_are_those_of_keras(folder):
    data = image_episodes_from_directory(
        folder, SPEC, num_episodes=10, image_size=(12, 12)
    )
    expected = keras.utils.image_dataset_from_directory(
        folder, image_size=(12, 12), batch_size=None, shuffle=False, verbose=0
    )
    known = {x.numpy().tobytes(): int(y) for x, y in expected}
    assert len(known) == 16
    for x, query_y in data:
        for task in range(len(query_y)):
            images = np.concatenate([x["support_x"][task], x["query_x"][task]])
            labels = np.concatenate([x["support_y"][task], query_y[task]])
            classes = [known[image.tobytes()] for image in images]
            pairs = set(zip(classes, labels.tolist()))
            assert len(pairs) == 3
            assert len(set(classes)) == 3


@pytest.mark.parametrize("image_size", [(12, 12), (8, 16)])
@pytest.mark.parametrize("color_mode", ["grayscale", "rgb", "rgba"])
def test_cached_or_not_values_are_the_same(folder, image_size, color_mode):
    def episodes(cache, batch_size):
        return image_episodes_from_directory(
            folder,
            SPEC,
            batch_size=batch_size,
            num_episodes=6,
            image_size=image_size,
            color_mode=color_mode,
            cache=cache,
        )

    lazy = episodes(False, 3)
    cached = episodes(True, 2)
    assert lazy.element_spec[0]["support_x"].dtype == "float32"
    channels = {"grayscale": 1, "rgb": 3, "rgba": 4}[color_mode]
    shape = (3, 3, *image_size, channels)
    assert lazy.element_spec[0]["support_x"].shape == shape
    assert_same(episodes_of(lazy), episodes_of(cached))
    assert_same(episodes_of(lazy), episodes_of(episodes("auto", 4)))


def test_bmp_and_gif(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=(2, 6, 6, 3))
    frames = [image_module.fromarray(p.astype("uint8")) for p in pixels]
    for name in ("a/1", "a/2", "b/1", "b/2"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name[0] == "a":
            frames[0].save(path.with_suffix(".bmp"))
        else:
            rest = {"save_all": True, "append_images": frames[1:]}
            frames[0].save(path.with_suffix(".gif"), **rest)
    spec = EpisodeSpec(ways=2, shots=1, queries=1)
    for color_mode, channels in [("grayscale", 1), ("rgb", 3), ("rgba", 4)]:
        x, _ = next(
            iter(
                image_episodes_from_directory(
                    tmp_path,
                    spec,
                    image_size=(6, 6),
                    color_mode=color_mode,
                )
            )
        )
        images = x["support_x"].numpy().reshape(-1, 6, 6, channels)
        expected = pixels[0].astype("float32")
        if channels == 1:
            expected = expected @ [[0.299], [0.587], [0.114]]
        if channels == 4:
            assert (images[..., 3] == 255).all()
        np.testing.assert_allclose(
            images[..., :3],
            np.broadcast_to(expected, images[..., :3].shape),
            atol=1,
        )


def test_classes_are_kept_by_name(folder):
    spec = EpisodeSpec(ways=2, shots=1, queries=1)
    data = image_episodes_from_directory(
        folder, spec, num_episodes=20, image_size=(12, 12), classes=["d", "b"]
    )
    index = data.episode_stream.source.class_index
    assert index.names.tolist() == ["b", "d"]
    assert len(index.classes) == 8
    with pytest.raises(ValueError, match="classes of these data.*'bb'"):
        image_episodes_from_directory(folder, spec, classes=["a", "bb"])
    with pytest.raises(ValueError, match="list of classes.*'a'"):
        image_episodes_from_directory(folder, spec, classes="a")


@pytest.mark.parametrize("cache", [True, False])
def test_class_rotations(folder, cache):
    data = image_episodes_from_directory(
        folder,
        EpisodeSpec(ways=9, shots=1, queries=2),
        num_episodes=2,
        image_size=(12, 12),
        class_rotations=True,
        cache=cache,
    )
    index = data.episode_stream.source.class_index
    assert index.num_classes == 16
    assert "a turned 90" in index.names
    load = data.episode_stream.source.load
    upright, turned = load(tf.constant([3, 3 + 16], "int64")).numpy()
    np.testing.assert_array_equal(np.rot90(upright), turned)


def broken(name):
    """Return what the broken file `name` holds."""
    image = np.random.default_rng(0).integers(256, size=(30, 30, 3))
    image = tf.constant(image, "uint8")
    return {
        "text.png": b"this is text",
        "empty.jpg": b"",
        "cut.png": tf.io.encode_png(image).numpy()[:-200],
        "cut.jpg": tf.io.encode_jpeg(image).numpy()[:-200],
        "header.gif": b"GIF89a",
    }[name]


@pytest.mark.parametrize(
    "name", ["text.png", "empty.jpg", "cut.png", "cut.jpg", "header.gif"]
)
@pytest.mark.parametrize("cache", ["auto", False])
def test_files_that_are_no_images_are_named(tmp_path, name, cache):
    for path in ("a/1.png", "a/2.png", "b/1.png"):
        write_image(tmp_path / path, np.zeros((4, 4, 3), "uint8"))
    (tmp_path / "b" / name).write_bytes(broken(name))
    spec = EpisodeSpec(ways=2, shots=1, queries=1)
    error = ValueError if cache else tf.errors.InvalidArgumentError
    with pytest.raises(error, match=f"must be whole files.*{name}"):
        data = image_episodes_from_directory(tmp_path, spec, cache=cache)
        next(iter(data))


def test_a_file_that_went_away_is_named(tmp_path):
    for path in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        write_image(tmp_path / path, np.zeros((4, 4, 3), "uint8"))
    spec = EpisodeSpec(ways=2, shots=1, queries=1)
    data = image_episodes_from_directory(tmp_path, spec, cache=False)
    (tmp_path / "b" / "2.png").unlink()
    with pytest.raises(tf.errors.InvalidArgumentError, match="b/2.png"):
        next(iter(data))


def test_options_and_other_arguments(folder):
    data = image_episodes_from_directory(
        folder,
        SPEC,
        num_episodes=8,
        image_size=(12, 12),
        augment_support=lambda image, seed: image * 0,
        shard=(1, 2),
    )
    x = [x for x, _ in data]
    assert sum(len(batch["support_x"]) for batch in x) == 4
    assert all((batch["support_x"] == 0).numpy().all() for batch in x)
    assert all((batch["query_x"] != 0).numpy().any() for batch in x)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"image_size": 84}, "pair .height, width.*84"),
        ({"image_size": (84, 0)}, "at least 1.*0"),
        ({"color_mode": "gray"}, "'grayscale'.*'gray'"),
        ({"interpolation": "cubic"}, "'bicubic'.*'cubic'"),
        ({"cache": "yes"}, "'auto'.*'yes'"),
        ({"image_size": (8, 9), "class_rotations": True}, "square images"),
    ],
)
def test_wrong_arguments(folder, arguments, words):
    with pytest.raises(ValueError, match=words):
        image_episodes_from_directory(folder, SPEC, **arguments)


def test_other_files_are_named(tmp_path):
    write_image(tmp_path / "a" / "1.png", np.zeros((4, 4, 3), "uint8"))
    pathlib.Path(tmp_path, "a", "labels.csv").touch()
    with pytest.raises(ValueError, match="labels.csv"):
        image_episodes_from_directory(tmp_path, SPEC)
