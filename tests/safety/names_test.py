"""Readers stay inside of the folder that they were given."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

import kerasmeta as km

SPEC = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
READERS = {
    ".png": km.episodes.image_episodes_from_directory,
    ".wav": km.episodes.audio_episodes_from_directory,
}


@pytest.fixture(params=READERS)
def suffix(request):
    return request.param


@pytest.fixture
def data(tmp_path, suffix):
    """A folder of two classes, and a file and a folder beside it."""
    for name in ("data/a/1", "data/b/1", "secret", "others/c/1"):
        path = (tmp_path / name).with_suffix(suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"never read")
    return tmp_path / "data"


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("target", ["secret", "others", "data"])
def test_links_out_of_the_folder_are_refused(data, suffix, target, is_absolute):
    name = f"a/2{suffix}" if target == "secret" else "c"
    target += suffix if target == "secret" else ""
    up = data.parent if is_absolute else "../" * (1 + name.count("/"))
    (data / name).symlink_to(f"{up}/{target}")
    with pytest.raises(ValueError, match="Links must lead to files inside"):
        READERS[suffix](data, SPEC)


@pytest.mark.parametrize("name", ["../others/c", "/etc", "a/../b"])
def test_classes_are_names_and_no_paths(data, suffix, name):
    with pytest.raises(ValueError, match="`classes` must be classes of these"):
        READERS[suffix](data, SPEC, classes=["a", name])


def store(folder, file_format):
    """Prepare a data set of TFDS, and return its folder."""
    features = {
        "label": tfds.features.ClassLabel(names=["a", "b"]),
        "number": tfds.features.Tensor(shape=(1,), dtype=np.float32),
    }
    examples = [
        (i, {"label": i % 2, "number": np.array([i], "float32")})
        for i in range(8)
    ]
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name="numbers",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": examples},
        data_dir=folder,
        file_format=file_format,
    )
    return pathlib.Path(builder.data_dir)


def move(folder, template):
    """Make `dataset_info.json` say that files are elsewhere."""
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    [split] = info["splits"]
    split["filepathTemplate"] = template + split["filepathTemplate"]
    path.write_text(json.dumps(info))


def read_tfds(builder, split="train"):
    return km.episodes.episodes_from_tfds(
        builder, SPEC, num_episodes=2, split=split, example_key="number"
    )


@pytest.fixture(params=["tfrecord", "array_record"])
def prepared(tmp_path, request):
    """The folder of a data set, and a folder with copies of its files."""
    folder = store(tmp_path / "data", request.param)
    secret = tmp_path / "secret"
    secret.mkdir()
    for path in folder.glob(f"*{request.param}*"):
        shutil.copy(path, secret)
    return folder, secret


@pytest.mark.parametrize("split", ["train", "train[:50%]"])
@pytest.mark.parametrize("is_absolute", [True, False])
def test_files_of_tfds_are_in_its_folder(prepared, split, is_absolute):
    folder, secret = prepared
    move(folder, f"{secret}/" if is_absolute else "../../../secret/")
    builder = tfds.builder_from_directory(folder)
    with pytest.raises(ValueError, match="must be in its folder.*secret"):
        read_tfds(builder, split)


def test_links_of_tfds_lead_to_files_in_its_folder(prepared):
    folder, secret = prepared
    [copy] = secret.iterdir()
    (folder / copy.name).unlink()
    (folder / copy.name).symlink_to(copy)
    with pytest.raises(ValueError, match="must be in its folder.*secret"):
        read_tfds(tfds.builder_from_directory(folder))


def test_folders_of_tfds_may_be_many_and_links(prepared):
    folder, secret = prepared
    other = secret / "1.0.0"
    shutil.copytree(folder, other)
    link = secret / "link"
    link.symlink_to(folder)
    for split in ("train", "train[:90%]"):
        builder = tfds.builder_from_directories([str(link), str(other)])
        assert len(list(read_tfds(builder, split))) == 1
    move(other, "../")
    builder = tfds.builder_from_directories([str(link), str(other)])
    with pytest.raises(ValueError, match="must be in its folder.*secret"):
        read_tfds(builder)
