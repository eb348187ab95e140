"""Damaged files: each reader reads what is there, or gives one clear error."""

import dataclasses
import gzip
import io
import pathlib
import shutil
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import kerasmeta as km
from kerasmeta.episodes.audio.wav_file import read_wav
from kerasmeta.episodes.images.image_reader import ImageReader
from kerasmeta.episodes.tables.cells import numbers
from kerasmeta.episodes.tables.frames import as_frame
from kerasmeta.episodes.tables.frames import check_columns
from kerasmeta.episodes.tables.frames import keys
from kerasmeta.episodes.text.text_rows import check_label_rows
from kerasmeta.episodes.text.text_rows import read_text_rows
from kerasmeta.episodes.text.text_source import text_source
from kerasmeta.episodes.tfds.record_index import RecordIndex
from kerasmeta.episodes.tfds.tfds_records import record_reader

FEW, MANY = range(20), range(20, 2_020)
SPEC = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
ROWS = [f"{i} {p}s,{i},{p},{i % 3}" for i in range(9) for p in ("dog", "cat")]
TABLE = "\n".join(["text,size,label,user", *ROWS]).encode()


@dataclasses.dataclass
class Reader:
    """What reads a kind of file.

    Args:
        data: A file that is whole.
        suffix: How its name ends.
        read: Function of its path that reads it.
        error: What it raises.
        names_file: Whether all its messages name the file.
        every: From one seed to the next: more where reading takes long.
    """

    data: bytes
    suffix: str
    read: Callable
    error: type = ValueError
    names_file: bool = True
    every: int = 1


def image(kind, channels=3):
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=(12, 10, channels))
    file = io.BytesIO()
    pillow.fromarray(pixels.astype("uint8").squeeze()).save(file, kind)
    return file.getvalue()


def read_image(path, channels=3):
    ImageReader([path], (8, 8), channels, "bilinear").read(0)


def read_grey_image(path):
    read_image(path, channels=1)


def image_readers():
    for kind in ("png", "jpeg", "bmp", "gif"):
        yield kind, Reader(image(kind), "." + kind, read_image)
    yield "grey jpeg", Reader(image("jpeg", 1), ".jpg", read_image)
    yield (
        "rgba png",
        Reader(image("png", 4), ".png", read_grey_image),
    )


def wav():
    samples = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    return tf.audio.encode_wav(samples.astype("float32"), 8000).numpy()


def read_table(path):
    frame = as_frame(path, "fuzz")
    keys(frame, ["label"], "target")
    numbers(frame, check_columns(frame, ["size"], "features"), "Drop them.")


def read_texts(path):
    (texts, labels), where = read_text_rows(path, ["text", "label"])
    text_source(texts, check_label_rows(labels, where, "label"))


def jsonl():
    keys = TABLE.decode().split("\n")[0].split(",")
    rows = [dict(zip(keys, row.split(","))) for row in ROWS]
    return "\n".join(str(row).replace("'", '"') for row in rows).encode()


def row_readers():
    readers = {
        "csv": (TABLE, ".csv", read_table),
        "csv.gz": (gzip.compress(TABLE), ".csv.gz", read_table),
        "texts csv": (TABLE, ".csv", read_texts),
        "texts tsv": (TABLE.replace(b",", b"\t"), ".tsv", read_texts),
        "texts jsonl": (jsonl(), ".jsonl", read_texts),
    }
    for name, arguments in readers.items():
        # Of rows that can be read, messages name the argument and the row.
        yield name, Reader(*arguments, names_file=False)


def arrays():
    return km.episodes.episodes_from_arrays(
        np.arange(40.0)[:, None], np.arange(40) % 4, SPEC, num_episodes=8
    )


def tfrecord(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in (b"first", b"", b"x" * 300):
            writer.write(record)
    return path.read_bytes()


def read_records(path):
    RecordIndex([(path, 0, 3, 3)]).read(np.arange(3))


def data_set(tmp_path_factory, file_format):
    """Return the folder of a data set of six images, its file and examples."""
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(8, 8, 1)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }
    )
    pixels = np.random.default_rng(0).integers(
        256, size=(6, 8, 8, 1), dtype="uint8"
    )
    examples = [{"image": x, "label": i % 2} for i, x in enumerate(pixels)]
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name="pixels",
        version="1.0.0",
        features=features,
        split_datasets={"train": list(enumerate(examples))},
        data_dir=tmp_path_factory.mktemp(file_format),
        file_format=file_format,
    )
    [file] = builder.info.splits["train"].filepaths
    records = [features.serialize_example(example) for example in examples]
    return builder.data_dir, pathlib.Path(file), records


def read_data_set(folder):
    """Read all examples, at once and as they are drawn."""
    spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=2)
    errors = []
    for cache in (True, False):
        try:
            data = km.episodes.episodes_from_tfds(
                tfds.builder_from_directory(folder),
                spec,
                num_episodes=1,
                cache=cache,
            )
            next(iter(data))
        except ValueError as error:
            errors.append(error)
        except tf.errors.InvalidArgumentError as error:
            assert "ValueError: A data set must hold examples" in str(error)
            errors.append(error)
    assert len(errors) != 1, errors
    if errors:
        raise errors[0]


def example_readers(tmp_path_factory):
    """Yield what reads one damaged example, or its image, among others."""
    folder, file, records = data_set(tmp_path_factory, "tfrecord")

    def read(record):
        with tf.io.TFRecordWriter(str(file)) as writer:
            for each in (*records[:3], record, *records[4:]):
                writer.write(each)
        read_data_set(folder)

    example = tf.train.Example.FromString(records[3])
    [png] = example.features.feature["image"].bytes_list.value

    def read_png(path):
        example.features.feature["image"].bytes_list.value[0] = (
            path.read_bytes()
        )
        read(example.SerializeToString())

    options = dict(names_file=False, every=10)
    yield (
        "tfds example",
        Reader(records[3], "", lambda path: read(path.read_bytes()), **options),
    )
    yield "tfds image", Reader(png, ".png", read_png, **options)


def array_record_reader(tmp_path_factory):
    folder, file, _ = data_set(tmp_path_factory, "array_record")
    builder = tfds.builder_from_directory(folder)

    def read(path):
        shutil.copy(path, file)
        read_record, num_examples = record_reader(builder, "train")
        read_record(np.arange(num_examples))

    return Reader(file.read_bytes(), "", read, names_file=False)


def manifest(tmp_path_factory):
    path = tmp_path_factory.mktemp("manifest") / "test.npz"
    km.episodes.manifest(arrays()).save(path)
    return path.read_bytes()


def read_manifest(path):
    km.episodes.Manifest.load(path)


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return dict(
        [
            *image_readers(),
            *row_readers(),
            ("wav", Reader(wav(), ".wav", read_wav)),
            (
                "tfrecord",
                Reader(tfrecord(tmp_path_factory), "", read_records),
            ),
            *example_readers(tmp_path_factory),
            ("array_record", array_record_reader(tmp_path_factory)),
            (
                "manifest",
                Reader(
                    manifest(tmp_path_factory),
                    ".npz",
                    read_manifest,
                    names_file=False,
                ),
            ),
        ]
    )


NAMES = (
    *("png", "jpeg", "bmp", "gif", "grey jpeg", "rgba png"),
    *("wav", "csv", "csv.gz"),
    *("texts csv", "texts tsv", "texts jsonl", "tfrecord", "manifest"),
    *("tfds example", "tfds image", "array_record"),
)


def failures(reader, seeds, folder, damage, limits):
    """Return what went wrong with which seeds."""
    path, found = folder / ("damaged" + reader.suffix), {}
    path.write_bytes(reader.data)
    reader.read(path)  # Is whole.
    for seed in seeds:
        path.write_bytes(damage(reader.data, seed))
        try:
            with limits(f"seed {seed}"):
                reader.read(path)
        except reader.error as error:
            if reader.names_file and str(path) not in str(error):
                found[seed] = error
        except Exception as error:
            found[seed] = error
    return found


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(readers, name, tmp_path, damage, limits):
    reader = readers[name]
    seeds = FEW[:: reader.every]
    assert not failures(reader, seeds, tmp_path, damage, limits)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_damaged_files(readers, name, tmp_path, damage, limits):
    reader = readers[name]
    seeds = MANY[:: reader.every]
    found = failures(reader, seeds, tmp_path, damage, limits)
    kinds = {
        (type(e).__name__, str(e)[-80:]): (seed, e) for seed, e in found.items()
    }
    assert not kinds, f"{len(found)} of {len(seeds)}"
