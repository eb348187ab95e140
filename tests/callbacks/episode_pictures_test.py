import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.visualization.figure import figure_pixels

Pictures = km.callbacks.EpisodePictures
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def flat_images():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )


def glyphs():
    spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
    return km.tasks.Glyphs("test").episodes(spec, num_episodes=2, batch_size=2)


def curves():
    return km.tasks.Sinusoid(5, 6).episodes(2, num_episodes=2)


CASES = {
    "metric": (
        lambda: km.learners.ProtoNet(flat_images()),
        glyphs,
        CROSSENTROPY,
    ),
    "memory": (
        lambda: km.learners.MANN(flat_images(), ways=2, units=4),
        glyphs,
        CROSSENTROPY,
    ),
    "regression": (
        lambda: km.learners.ConditionalNeuralProcess(width=4),
        curves,
        km.losses.GaussianNegativeLogLikelihood(),
    ),
}


def written(folder):
    """Return the pictures in TensorBoard's files, by epoch."""
    pictures = {}
    for path in folder.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                assert value.tag == "episode"
                _, _, png = tf.make_ndarray(value.tensor)
                pictures[event.step] = tf.io.decode_png(png).numpy()
    return pictures


@pytest.mark.parametrize("name", CASES)
def test_pictures_are_those_of_plot_episode(tmp_path, name):
    pytest.importorskip("tensorboard")
    pytest.importorskip("matplotlib")
    make, episodes, loss = CASES[name]
    learner = make()
    learner.compile(keras.optimizers.SGD(0.1), loss)
    pictures = Pictures(episodes(), tmp_path, every=2)
    learner.fit(episodes(), epochs=3, verbose=0, callbacks=[pictures])
    drawn = written(tmp_path)
    assert sorted(drawn) == [0, 2]
    x, query_y = next(iter(episodes()))
    predictions = learner.predict(x, verbose=0)
    figure = km.visualization.plot_episode(x, query_y, predictions)
    np.testing.assert_array_equal(drawn[2], figure_pixels(figure))
    without = figure_pixels(km.visualization.plot_episode(x, query_y))
    assert not np.array_equal(drawn[2], without)


def begin(episodes, folder, model):
    pictures = Pictures(episodes, folder)
    pictures.set_model(model)
    pictures.on_train_begin()


def test_bad_arguments(tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="episodes of type ndarray"):
        Pictures(np.ones(3), tmp_path)
    with pytest.raises(ValueError, match="every=0"):
        Pictures(curves(), tmp_path, every=0)
    with pytest.raises(ValueError, match="Received: Sequential"):
        begin(glyphs(), tmp_path, flat_images())
    vectors = km.episodes.episodes_from_arrays(
        np.arange(80.0).reshape(20, 4),
        np.arange(20) % 2,
        km.episodes.EpisodeSpec(ways=2, shots=1, queries=1),
    )
    learner = km.learners.ProtoNet(km.backbones.mlp((4,), 2))
    with pytest.raises(ValueError, match="`kind`|[Dd]raw"):
        begin(vectors, tmp_path, learner)


def test_without_matplotlib(monkeypatch, tmp_path):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "matplotlib" else find_spec(name),
    )
    with pytest.raises(ImportError, match=r"kerasmeta\[plots\]"):
        Pictures(curves(), tmp_path)
