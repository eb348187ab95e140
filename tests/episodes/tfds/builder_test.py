import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.tfds.builder import episodes_from_tfds

SPEC = EpisodeSpec(ways=3, shots=1, queries=2)
FORMATS = ("tfrecord", "array_record")
ALPHABETS, CHARACTERS, DRAWERS = 3, 4, 6


def store(name, folder, features, examples, file_format="tfrecord"):
    """Prepare a real data set of three shards, and open it from its folder."""
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": list(enumerate(examples))},
        data_dir=folder,
        file_format=file_format,
        download_config=tfds.download.DownloadConfig(num_shards=3),
    )
    return tfds.builder_from_directory(builder.data_dir)


def omniglot_examples(path):
    data = np.load(path)
    names = data["alphabet_names"]
    kept = (
        (data["alphabet"] < ALPHABETS)
        & (data["character"] <= CHARACTERS)
        & (data["drawer"] <= DRAWERS)
    )
    images = data["images"]
    for i in np.flatnonzero(kept):
        alphabet = str(names[data["alphabet"][i]])
        yield {
            "image": images[i, ..., None],
            "label": f"{alphabet} {data['character'][i]}",
            "alphabet": alphabet,
            "drawer": int(data["drawer"][i]),
            "position": np.array([i, 0.5]),
        }


_BUILDERS = {}


@pytest.fixture(params=FORMATS)
def omniglot(request, shared_file, tmp_path_factory):
    """Return a builder of twelve characters, and its examples."""
    path = shared_file("data", "omniglot", "omniglot_background_28_u8.npz")
    file_format = request.param
    if file_format not in _BUILDERS:
        examples = list(omniglot_examples(path))
        features = {
            "image": tfds.features.Image(shape=(28, 28, 1)),
            "label": tfds.features.ClassLabel(
                names=sorted({e["label"] for e in examples})
            ),
            "alphabet": tfds.features.Text(),
            "drawer": np.int64,
            "position": tfds.features.Tensor(shape=(2,), dtype=np.float64),
        }
        folder = tmp_path_factory.mktemp(file_format)
        builder = store("glot", folder, features, examples, file_format)
        assert builder.info.splits["train"].num_shards == 3
        assert builder.info.file_format.value == file_format
        _BUILDERS[file_format] = builder, examples
    return _BUILDERS[file_format]


def episodes_of(dataset):
    """Return the leaves of all episodes, `[num_episodes, ...]` each."""
    rows = [[a.numpy() for a in tf.nest.flatten(batch)] for batch in dataset]
    return [np.concatenate(leaves) for leaves in zip(*rows)]


def assert_same(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def read(builder, split):
    """Return the examples of a split, in order, as TFDS itself reads them."""
    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        return list(builder.as_data_source(split))
    config = tfds.ReadConfig(interleave_cycle_length=1)
    dataset = builder.as_dataset(split=split, read_config=config)
    return list(dataset.as_numpy_iterator())


def tasks_of(dataset):
    """Yield the examples and labels of each task, support and query."""
    for x, query_y in dataset:
        for task in range(len(query_y)):
            examples = np.concatenate(
                [x["support_x"][task], x["query_x"][task]]
            )
            labels = np.concatenate([x["support_y"][task], query_y[task]])
            yield examples, labels


@pytest.mark.parametrize("cache", [True, False])
def test_images_have_the_labels_of_the_data(omniglot, cache):
    builder, examples = omniglot
    known = {e["image"].tobytes(): e["label"] for e in examples}
    data = episodes_from_tfds(builder, SPEC, num_episodes=10, cache=cache)
    assert data.element_spec[0]["support_x"].dtype == "float32"
    for images, labels in tasks_of(data):
        names = [known[image.astype("uint8").tobytes()] for image in images]
        assert len(set(zip(names, labels.tolist()))) == 3
        assert len(set(names)) == len(set(labels.tolist())) == 3


def test_same_episodes_whatever_cache_and_batch_size(omniglot):
    builder, _ = omniglot
    lazy = episodes_from_tfds(
        builder, SPEC, batch_size=3, num_episodes=6, cache=False
    )
    cached = episodes_from_tfds(builder, SPEC, batch_size=2, num_episodes=6)
    assert_same(episodes_of(lazy), episodes_of(cached))


def test_a_split_is_that_of_tfds(omniglot):
    builder, _ = omniglot
    spec = EpisodeSpec(ways=2, shots=1, queries=1, small_classes="drop")
    for split in ("train[:70%]", "train[70%:]", "train[:5]+train[-30:]"):
        data = episodes_from_tfds(
            builder, spec, num_episodes=1, split=split, example_key="position"
        )
        numbers = [e["position"][0] for e in read(builder, split)]
        source = data.episode_stream.source
        loaded = source.load(tf.range(source.num_examples, dtype="int64"))
        assert loaded.dtype == "float32"
        assert loaded[:, 0].numpy().tolist() == numbers


@pytest.mark.parametrize("cache", [True, False])
def test_classes_by_name_and_by_number(omniglot, cache):
    builder, examples = omniglot
    names = builder.info.features["label"].names
    data = episodes_from_tfds(
        builder,
        SPEC,
        num_episodes=10,
        classes=[names[0], 5, np.int64(7)],
        cache=cache,
    )
    index = data.episode_stream.source.class_index
    assert index.names.tolist() == [names[0], names[5], names[7]]
    known = {e["image"].tobytes(): e["label"] for e in examples}
    for images, _ in tasks_of(data):
        drawn = {known[image.astype("uint8").tobytes()] for image in images}
        assert drawn == set(index.names)


def test_groups_and_string_features(omniglot):
    builder, examples = omniglot
    data = episodes_from_tfds(
        builder,
        EpisodeSpec(ways=4, shots=1, queries=2, within_groups=True),
        num_episodes=9,
        group_key="alphabet",
    )
    index = data.episode_stream.source.class_index
    assert index.group_names.tolist() == sorted(
        {e["alphabet"] for e in examples}
    )
    known = {e["image"].tobytes(): e["alphabet"] for e in examples}
    drawn = [
        {known[image.astype("uint8").tobytes()] for image in images}
        for images, _ in tasks_of(data)
    ]
    assert all(len(alphabets) == 1 for alphabets in drawn)
    assert len(set.union(*drawn)) > 1


@pytest.mark.parametrize("cache", [True, False])
def test_nests_of_features(omniglot, cache):
    builder, examples = omniglot
    keys = {"a": "image", "b": ("drawer", "alphabet")}
    data = episodes_from_tfds(
        builder, SPEC, num_episodes=5, example_key=keys, cache=cache
    )
    spec = data.element_spec[0]["query_x"]
    assert spec["a"].dtype == "float32"
    assert [leaf.dtype for leaf in spec["b"]] == ["int64", "string"]
    known = {e["image"].tobytes(): e for e in examples}
    for x, _ in data:
        images = x["query_x"]["a"].numpy().reshape(-1, 28, 28, 1)
        drawers, alphabets = (
            leaf.numpy().reshape(-1) for leaf in x["query_x"]["b"]
        )
        for image, drawer, alphabet in zip(images, drawers, alphabets):
            example = known[image.astype("uint8").tobytes()]
            assert example["drawer"] == drawer
            assert example["alphabet"] == alphabet.decode()


@pytest.mark.parametrize("omniglot", ["tfrecord"], indirect=True)
def test_integer_classes_that_have_no_names(omniglot):
    builder, _ = omniglot
    spec = EpisodeSpec(ways=2, shots=1, queries=2)
    data = episodes_from_tfds(
        builder, spec, class_key="drawer", classes=[2, 5, 6]
    )
    assert data.episode_stream.source.class_index.names.tolist() == [2, 5, 6]
    with pytest.raises(ValueError, match="classes of these data.*7"):
        episodes_from_tfds(builder, spec, class_key="drawer", classes=[2, 7])


@pytest.mark.parametrize("cache", [True, False])
def test_rotations_and_options(omniglot, cache):
    builder, _ = omniglot
    data = episodes_from_tfds(
        builder,
        EpisodeSpec(ways=20, shots=1, queries=2),
        num_episodes=4,
        class_rotations=True,
        cache=cache,
        shard=(0, 2),
        augment_query=lambda image, seed: image * 0,
    )
    assert data.episode_stream.source.class_index.num_classes == 48
    batches = [x for x, _ in data]
    assert sum(len(x["query_x"]) for x in batches) == 2
    assert all((x["query_x"] == 0).numpy().all() for x in batches)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"split": "nope"}, "nope"),
        ({"split": "train[:0]"}, "hold examples.*train"),
        ({"split": ["train", "test"]}, "one split.*\"train.test\".*'train'"),
        ({"spec": EpisodeSpec(shots=1)}, "no regression tasks.*ways"),
        ({"example_key": "picture"}, "'image'.*example_key='picture'"),
        ({"class_key": "lable"}, "'label'.*class_key='lable'"),
        ({"class_key": "image"}, "class_key='image'"),
        ({"group_key": "position"}, "group_key='position'"),
        ({"classes": ["a"]}, "classes of these data.*'a'"),
        ({"classes": [12]}, "numbers.*0..11.*12"),
        ({"classes": "a"}, "list of classes.*'a'"),
        ({"data_dir": "/x"}, "`data_dir` is for names"),
        ({"cache": "big"}, "'auto'.*'big'"),
        ({"image_size": 3}, "pair .height, width"),
        ({"interpolation": "cubic"}, "'bicubic'.*'cubic'"),
    ],
)
@pytest.mark.parametrize("omniglot", ["tfrecord"], indirect=True)
def test_wrong_arguments(omniglot, arguments, words):
    with pytest.raises(ValueError, match=words):
        episodes_from_tfds(omniglot[0], **{"spec": SPEC, **arguments})


@pytest.fixture
def various(tmp_path):
    """A data set of what is hard: sizes, no class, NaN."""
    features = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "tokens": tfds.features.Sequence(np.int64),
        "nest": {"inner": np.int64},
        "sound": tfds.features.Tensor(shape=(2,), dtype=np.float32),
        "label": tfds.features.ClassLabel(names=["a", "b"]),
        "other": tfds.features.ClassLabel(names=["a", "b"]),
    }
    generator = np.random.default_rng(0)
    examples = [
        {
            "image": generator.integers(256, size=(4 + i, 9, 3), dtype="uint8"),
            "tokens": [1] * i,
            "nest": {"inner": i},
            "sound": [i, np.nan if i == 5 else 0],
            "label": i % 2,
            "other": -1 if i == 7 else 0,
        }
        for i in range(8)
    ]
    return store("various", tmp_path, features, examples), examples


def test_images_of_several_sizes_are_resized(various):
    builder, examples = various
    spec = EpisodeSpec(ways=2, shots=1, queries=3)
    expected = {
        tf.image.resize(e["image"], (3, 2), "area").numpy().tobytes()
        for e in examples
    }
    for cache in (True, False):
        data = episodes_from_tfds(
            builder,
            spec,
            num_episodes=1,
            image_size=(3, 2),
            interpolation="area",
            cache=cache,
        )
        for images, _ in tasks_of(data):
            assert {image.tobytes() for image in images} == expected
    with pytest.raises(ValueError, match="Give `image_size=`.*'image'"):
        episodes_from_tfds(builder, spec)


def test_hard_features_are_named(various):
    builder, _ = various
    spec = EpisodeSpec(ways=2, shots=1, queries=3)
    for key, words in [
        ("tokens", "A sequence has any length.*Tensor.*'tokens'"),
        ("nest", "are tensors.*'nest'"),
    ]:
        with pytest.raises(ValueError, match=words):
            episodes_from_tfds(builder, spec, example_key=key)
    with pytest.raises(ValueError, match="'other'.*-1 in 1 of 8"):
        episodes_from_tfds(
            builder, spec, class_key="other", example_key="sound"
        )


def test_numbers_that_are_not_finite_raise(various):
    builder, _ = various
    spec = EpisodeSpec(ways=2, shots=1, queries=3)
    with pytest.raises(ValueError, match="finite float32.*1 of 8"):
        episodes_from_tfds(builder, spec, example_key="sound")
    data = episodes_from_tfds(builder, spec, example_key="sound", cache=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="finite numbers"):
        next(iter(data))


def test_a_broken_file_is_named(various):
    builder, _ = various
    path = sorted(pathlib.Path(builder.data_dir).glob("*00001-of-00003"))[0]
    path.write_bytes(path.read_bytes()[:-9])
    spec = EpisodeSpec(ways=2, shots=1, queries=1)
    with pytest.raises(ValueError, match=f"cut off|{path.name}"):
        episodes_from_tfds(builder, spec, example_key="sound")


class TinyLetters(tfds.core.GeneratorBasedBuilder):
    """A registered data set, that is prepared by its name."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(4, 4, 1)),
                    "label": np.int64,
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"test": self._generate_examples()}

    def _generate_examples(self):
        for i in range(12):
            image = np.full((4, 4, 1), i, "uint8")
            yield i, {"image": image, "label": i % 4}


def test_a_name_is_prepared_at_its_first_use(tmp_path):
    for _ in range(2):
        data = episodes_from_tfds(
            "tiny_letters",
            SPEC,
            num_episodes=3,
            split="test",
            data_dir=tmp_path,
        )
        for images, labels in tasks_of(data):
            classes = images[:, 0, 0, 0] % 4
            assert len(set(zip(classes.tolist(), labels.tolist()))) == 3


def test_builders_must_be_prepared(tmp_path):
    builder = TinyLetters(data_dir=tmp_path)
    with pytest.raises(ValueError, match="download_and_prepare.*tiny_letters"):
        episodes_from_tfds(builder, SPEC)
    with pytest.raises(ValueError, match="name of a TFDS data set.*3"):
        episodes_from_tfds(3, SPEC)
