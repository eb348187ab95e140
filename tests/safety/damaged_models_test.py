"""Damaged models: each loader loads what is there, or says what is wrong.

Loaders of ours give one kind of error that names the file. Those of Keras and
TensorFlow raise what their parsers do, and these are theirs: what is asked is
that it is one of the exceptions that `docs/safety.md` names, and that none ends
the process, hangs or takes all the memory.
"""

import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.callbacks.backup_files import BackupFiles
from kerasmeta.serving.model import ServedModel

FEW, MANY = range(20), range(20, 2_020)
# What Keras and TensorFlow raise of damaged files, as `docs/safety.md` says.
KERAS = (
    *(ValueError, TypeError, KeyError, AttributeError, IndexError),
    *(OSError, RuntimeError, zipfile.BadZipFile),
)


def learner():
    backbone = km.backbones.mlp((1,), 1, units=())
    return km.learners.ProtoNet(backbone)


def load_damaged(path, load, seeds, damage, limits, errors=ValueError, name=""):
    """Load a file as it is, and damaged; messages have the name in them."""
    data = path.read_bytes()
    load()  # Is whole.
    for seed in seeds:
        path.write_bytes(damage(data, seed))
        with limits(f"seed {seed}"):
            try:
                load()
            except errors as error:
                assert name in str(error)


def check_keras_files(seeds, tmp_path, damage, limits):
    path = tmp_path / "learner.keras"
    learner().save(path)

    def load():
        keras.models.load_model(path)

    load_damaged(path, load, seeds, damage, limits, KERAS)


def check_weights(seeds, tmp_path, damage, limits):
    path = tmp_path / "learner.weights.h5"
    own = learner()
    own.save_weights(path)

    def load():
        own.load_weights(path)

    load_damaged(path, load, seeds, damage, limits, name=str(path))


def check_backups(seeds, tmp_path, damage, limits):
    folder = tmp_path / "backups"
    arrays = {"w": np.arange(3.0), "v": np.ones([2, 2], "float32")}
    BackupFiles(folder).write(1, {"step": 1}, arrays)
    [path] = folder.iterdir()

    def load():
        # With checksums: what is loaded is what was written.
        about, loaded = BackupFiles(folder).read()
        assert about == {"step": 1} and loaded.keys() == arrays.keys()

    load_damaged(path, load, seeds, damage, limits, name=str(folder))


def check_saved_models(seeds, tmp_path, damage, limits):
    """Through the server's loader, which is ours."""
    episodes = {
        "support_x": tf.ones([1, 2, 1]),
        "support_y": tf.constant([[0, 1]]),
        "query_x": tf.ones([1, 1, 1]),
    }
    learner().export(tmp_path / "whole", episodes)
    files = [p for p in (tmp_path / "whole").rglob("*") if p.is_file()]
    for i, file in enumerate(sorted(files)):
        folder = tmp_path / str(i)
        shutil.copytree(tmp_path / "whole", folder)
        load_damaged(
            folder / file.relative_to(tmp_path / "whole"),
            lambda folder=folder: ServedModel(folder, max_examples=10),
            seeds[i :: len(files)],
            damage,
            limits,
            name=str(folder),
        )


CHECKS = [check_keras_files, check_weights, check_backups, check_saved_models]


@pytest.mark.filterwarnings("ignore:The backup")
@pytest.mark.parametrize("check", CHECKS)
def test_damaged_models(check, tmp_path, damage, limits):
    check(FEW, tmp_path, damage, limits)


def test_files_that_are_missing_are_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.weights.h5"):
        learner().load_weights(tmp_path / "none.weights.h5")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The backup")
@pytest.mark.parametrize("check", CHECKS)
def test_many_damaged_models(check, tmp_path, damage, limits):
    check(MANY, tmp_path, damage, limits)
