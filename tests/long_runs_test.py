"""Long runs: flat memory, no retracing, no file handles left open."""

import contextlib
import gc
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.path.exists("/proc/self/statm"), reason="needs Linux' /proc"
    ),
]


def megabytes():
    """Return the resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sinusoid_maml():
    learner = km.learners.MAML(
        km.backbones.mlp((1,), 1, units=(16, 16)),
        inner_learning_rate=0.01,
        inner_steps=1,
    )
    learner.compile(keras.optimizers.Adam(1e-3), "mse", metrics=["mae"])
    return learner, km.tasks.Sinusoid(5, 5).episodes(batch_size=4)


def tiny_proto_net():
    y = np.repeat(np.arange(20), 10)
    x = np.random.default_rng(0).normal(size=(len(y), 8)).astype("float32")
    spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    learner = km.learners.ProtoNet(km.backbones.mlp((8,), 16, units=(16,)))
    learner.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner, km.episodes.episodes_from_arrays(x, y, spec)


FAMILIES = {"MAML": sinusoid_maml, "ProtoNet": tiny_proto_net}


class Watch(keras.callbacks.Callback):
    """Notes memory and file handles now and then."""

    def __init__(self, every=1000):
        super().__init__()
        self.every = every
        self.steps, self.megabytes, self.handles = 0, [], []

    def note(self):
        if self.steps % self.every == 0:
            gc.collect()
            self.megabytes.append(megabytes())
            self.handles.append(len(os.listdir("/proc/self/fd")))
        self.steps += 1

    def on_train_batch_end(self, batch, logs=None):
        self.note()

    def check(self, limit):
        """Memory grows by less than `limit` megabytes from note to note."""
        settled = self.megabytes[len(self.megabytes) // 4 :]
        growth = np.polyfit(range(len(settled)), settled, 1)[0]
        assert growth < limit, self.megabytes
        assert self.handles[-1] <= self.handles[len(self.handles) // 4]


@contextlib.contextmanager
def nothing_is_traced_again(learner, method, call):
    """Trace by a first call; what is done within the scope must not trace."""
    traces = []
    original = getattr(learner, method)

    def counted(data):
        traces.append(1)
        return original(data)

    setattr(learner, method, counted)
    call()
    first = len(traces)
    yield
    assert len(traces) == first > 0


def fit_once(learner, episodes):
    return lambda: learner.fit(episodes, steps_per_epoch=1, verbose=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_fit_of_20000_steps(family):
    learner, episodes = FAMILIES[family]()
    watch, begin = Watch(), fit_once(learner, episodes)
    with nothing_is_traced_again(learner, "train_step", begin):
        learner.fit(
            episodes,
            steps_per_epoch=1000,
            epochs=20,
            validation_data=episodes,
            validation_steps=5,
            verbose=0,
            callbacks=[watch],
        )
    watch.check(limit=1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_evaluate_200_times(family):
    learner, episodes = FAMILIES[family]()
    watch = Watch(every=20)

    def evaluate(steps=1):
        learner.evaluate(episodes, steps=steps, verbose=0)

    with nothing_is_traced_again(learner, "test_step", evaluate):
        for _ in range(201):
            evaluate(steps=5)
            watch.note()
    watch.check(limit=1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_adapt_2000_times(family):
    learner, episodes = FAMILIES[family]()
    x, _ = next(iter(episodes))
    support, watch = (x["support_x"][0], x["support_y"][0]), Watch(every=200)
    for _ in range(2001):
        learner.predict_query(learner.adapt(*support), x["query_x"][0])
        watch.note()
    watch.check(limit=1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_fit_50_times(family):
    learner, episodes = FAMILIES[family]()
    watch, begin = Watch(every=5), fit_once(learner, episodes)
    with nothing_is_traced_again(learner, "train_step", begin):
        for _ in range(51):
            learner.fit(episodes, steps_per_epoch=10, verbose=0)
            watch.note()
    watch.check(limit=1.0)


def test_images_from_files_and_backups(tmp_path):
    """Images are read from their files at each step, backups are written."""
    generator = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "images" / f"class_{i % 4}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(256, size=(8, 8, 1), dtype="uint8")
        path.write_bytes(tf.io.encode_png(pixels).numpy())
    episodes = km.episodes.image_episodes_from_directory(
        tmp_path / "images",
        km.episodes.EpisodeSpec(ways=3, shots=2, queries=2),
        image_size=(8, 8),
        color_mode="grayscale",
        cache=False,
    )
    backbone = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(8),
        ]
    )
    learner = km.learners.ProtoNet(backbone)
    learner.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    watch = Watch(every=200)
    backup = km.callbacks.BackupAndRestore(tmp_path / "backups", save_freq=5)
    learner.fit(
        episodes,
        steps_per_epoch=200,
        epochs=20,
        verbose=0,
        callbacks=[watch, backup],
    )
    watch.check(limit=1.0)
