import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.visualization.figure import figure_pixels

Curve = km.callbacks.AdaptationCurve
learners = km.learners


def network(outputs=1):
    return km.backbones.mlp((1,), outputs, units=(6,))


def compiled(learner):
    learner.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return learner


def maml(**kwargs):
    keras.utils.set_random_seed(0)
    return compiled(
        learners.MAML(
            network(), inner_learning_rate=0.1, **{"inner_steps": 2, **kwargs}
        )
    )


def episodes():
    family = km.tasks.Sinusoid(shots=5, queries=6)
    return family.episodes(batch_size=2, num_episodes=4).cache()


def by_hand(learner, x, steps):
    """Return predictions after plain gradient descent, task by task."""
    predictions = []
    for task in range(2):
        copy = keras.models.clone_model(learner.network)
        copy.set_weights(learner.network.get_weights())
        copy.compile(keras.optimizers.SGD(0.1), "mse")
        for _ in range(steps):
            copy.train_on_batch(x["support_x"][task], x["support_y"][task])
        predictions.append(copy.predict_on_batch(x["query_x"][task]))
    return np.stack(predictions)


def test_results_are_those_after_each_step():
    """Of the weights at the end of the epoch, against Keras' own training."""
    learner, curve = maml(inner_steps=1), Curve(episodes())
    history = learner.fit(episodes(), verbose=0, callbacks=[curve]).history
    for steps in range(2):
        errors = [by_hand(learner, x, steps) - y.numpy() for x, y in episodes()]
        np.testing.assert_allclose(
            history[f"loss_after_{steps}"], np.mean(np.square(errors)), 1e-4
        )
        np.testing.assert_allclose(
            history[f"mae_after_{steps}"], np.mean(np.abs(errors)), 1e-4
        )
        assert f"mae_ci95_after_{steps}" in history
    assert sorted(curve.curve) == [0, 1]
    assert curve.curve[1]["mae"] == history["mae_after_1"][0]


@pytest.mark.slow
def test_training_and_validation_are_as_without_it():
    plain, watched = maml(test_inner_steps=1), maml(test_inner_steps=1)
    arguments = dict(validation_data=episodes(), epochs=2, verbose=0)
    expected = plain.fit(episodes(), **arguments).history
    curve = Curve(episodes(), steps=(0, 1), every=2, prefix="seen_")
    received = watched.fit(episodes(), callbacks=[curve], **arguments).history
    for name, values in expected.items():
        np.testing.assert_allclose(received[name], values, rtol=1e-5)
    assert watched.test_inner_steps == 1
    # Evaluated at the end of the first epoch of two.
    assert len(received["seen_loss_after_0"]) == 1
    assert watched.evaluate(episodes(), verbose=0, return_dict=True)[
        "loss"
    ] == pytest.approx(expected["val_loss"][-1], rel=1e-5)


@pytest.mark.slow
def test_graphs_are_made_once():
    learner, calls = maml(), []
    adapt = learner._adapt

    def counted(*args):
        calls.append(1)
        return adapt(*args)

    learner._adapt = counted
    counts = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: counts.append(len(calls))
    )
    curve = Curve(episodes(), steps=(0, 2))
    learner.fit(episodes(), epochs=3, verbose=0, callbacks=[curve, watch])
    assert counts[0] == counts[1] == counts[2]


OTHERS = {
    "Reptile": lambda: learners.Reptile(
        network(), inner_steps=2, inner_batch_size=3
    ),
    "IMAML": lambda: learners.IMAML(network(), inner_steps=2, unroll=False),
    "ABML": lambda: learners.ABML(
        network(),
        inner_steps=2,
        samples=2,
        initial_deviation=0.3,
        from_logits=True,
    ),
    "MAMLPlusPlus": lambda: learners.MAMLPlusPlus(network(), inner_steps=2),
    "ALFA": lambda: learners.ALFA(network(), inner_steps=2),
    "MAML-recomputed": lambda: learners.MAML(
        network(), inner_steps=2, rematerialize=True
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_all_gradient_learners(name):
    """After all steps it is what `evaluate` says, before them another."""
    learner, curve = compiled(OTHERS[name]()), Curve(episodes())
    learner.fit(episodes(), verbose=0, callbacks=[curve])
    loss = learner.evaluate(episodes(), verbose=0, return_dict=True)["loss"]
    assert curve.curve[2]["loss"] == pytest.approx(loss, rel=1e-5)
    assert curve.curve[0]["loss"] != pytest.approx(loss, rel=1e-5)


def written(folder):
    """Return what TensorBoard's files hold, by name."""
    values = {}
    for path in folder.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                values.setdefault(value.tag, []).append((event.step, array))
    return values


@pytest.mark.slow
def test_tensorboard_gets_numbers_and_pictures(tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("matplotlib")
    curve = Curve(episodes(), steps=(0, 1), log_dir=tmp_path)
    maml().fit(episodes(), verbose=0, callbacks=[curve])
    values = written(tmp_path)
    [(step, loss)] = values["loss_after_1"]
    assert step == 0
    assert float(loss) == pytest.approx(curve.curve[1]["loss"], rel=1e-5)
    for name in ("loss_by_step", "mae_by_step", "episode"):
        [(_, (_, _, png))] = values[name]
        assert png.startswith(b"\x89PNG")


@pytest.mark.slow
def test_tensorboard_gets_pictures_of_images(tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("matplotlib")
    spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
    glyphs = km.tasks.Glyphs("test").episodes(spec, num_episodes=2)
    learner = learners.MAML(
        keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(2),
            ]
        )
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile("sgd", loss)
    curve = Curve(glyphs, steps=(0,), log_dir=tmp_path)
    learner.fit(glyphs, verbose=0, callbacks=[curve])
    [(_, (width, height, png))] = written(tmp_path)["episode"]
    pixels = tf.io.decode_png(png).numpy()
    assert pixels.shape[:2] == (int(height), int(width))
    x, query_y = next(iter(glyphs))
    predictions = learner.predict(x, verbose=0)
    figure = km.visualization.plot_episode(x, query_y, predictions)
    np.testing.assert_array_equal(pixels, figure_pixels(figure))


def test_without_matplotlib(monkeypatch, tmp_path):
    pytest.importorskip("tensorboard")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "matplotlib" else find_spec(name),
    )
    with pytest.warns(UserWarning, match=r"kerasmeta\[plots\]"):
        Curve(episodes(), log_dir=tmp_path)


def test_without_tensorboard(monkeypatch, tmp_path):
    monkeypatch.delattr(tf.summary, "scalar", raising=False)
    with pytest.raises(ImportError, match=r"kerasmeta\[tensorboard\]"):
        Curve(episodes(), log_dir=tmp_path)


def test_bad_arguments():
    endless = km.tasks.Sinusoid(shots=5).episodes(batch_size=2)
    with pytest.raises(ValueError, match="num_episodes"):
        Curve(endless)
    with pytest.raises(ValueError, match="episodes of type ndarray"):
        Curve(np.ones(3))
    with pytest.raises(ValueError, match="steps=-1"):
        Curve(episodes(), steps=(-1,))
    with pytest.raises(ValueError, match="every=0"):
        Curve(episodes(), every=0)


def test_learners_without_steps():
    curve = Curve(episodes())
    curve.set_model(learners.ConditionalNeuralProcess(width=4))
    with pytest.raises(ValueError, match="Received: ConditionalNeuralProcess"):
        curve.on_train_begin()
