"""Damaged learners: Keras and TensorFlow say so, or load what is there.

Their loaders raise exceptions of many types, and these are theirs. What is
asked here is that none ends the process, hangs or takes all the memory.
"""

import contextlib
import shutil

import keras
import pytest
import tensorflow as tf

import kerasmeta as km

FEW, MANY = range(20), range(20, 2_020)


def learner():
    backbone = km.backbones.mlp((1,), 1, units=())
    return km.learners.ProtoNet(backbone)


def load_damaged(data, path, load, seeds, damage, limits):
    path.write_bytes(data)
    load()  # Is whole.
    for seed in seeds:
        path.write_bytes(damage(data, seed))
        with limits(f"seed {seed}"):
            with contextlib.suppress(Exception):
                load()


def check_keras_files(seeds, tmp_path, damage, limits):
    path = tmp_path / "learner.keras"
    learner().save(path)
    load_damaged(
        path.read_bytes(),
        path,
        lambda: keras.models.load_model(path),
        seeds,
        damage,
        limits,
    )


def check_saved_models(seeds, tmp_path, damage, limits):
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
            file.read_bytes(),
            folder / file.relative_to(tmp_path / "whole"),
            lambda folder=folder: tf.saved_model.load(str(folder)),
            seeds[i :: len(files)],
            damage,
            limits,
        )


CHECKS = [check_keras_files, check_saved_models]


@pytest.mark.parametrize("check", CHECKS)
def test_damaged_models(check, tmp_path, damage, limits):
    check(FEW, tmp_path, damage, limits)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_many_damaged_models(check, tmp_path, damage, limits):
    check(MANY, tmp_path, damage, limits)
