"""A run that was interrupted ends as one that was not, bit for bit."""

import pathlib
import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

KILLED_RUN = runpy.run_path(pathlib.Path(__file__).with_name("killed_run.py"))
Interrupt = KILLED_RUN["Interrupt"]
FAMILIES = [
    "ProtoNet",
    *(
        pytest.param(family, marks=pytest.mark.slow)
        for family in sorted({*KILLED_RUN["LEARNERS"]} - {"ProtoNet"})
    ),
]


class Batches(keras.callbacks.Callback):
    """Notes which steps callbacks hear of."""

    def __init__(self):
        super().__init__()
        self.seen = ()

    def on_train_batch_end(self, batch, logs=None):
        self.seen += (batch,)


def run(family, others=(), backup=None, num_episodes=None, steps=1, **options):
    """Train a new learner; return it and its history."""
    learner, episodes = KILLED_RUN["make"](family, num_episodes)
    learner.steps_per_execution = steps
    callbacks = [backup, *others] if backup else list(others)
    history = learner.fit(
        episodes, epochs=3, verbose=0, callbacks=callbacks, **options
    )
    return learner, history


def check_same(received, expected):
    for learner in (received, expected):
        assert len(learner[0].metrics_variables) > 0
    for one, two in zip(
        KILLED_RUN["variables"](received[0]),
        KILLED_RUN["variables"](expected[0]),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
    assert received[1].history == expected[1].history
    assert received[1].epoch == expected[1].epoch == [0, 1, 2]


@pytest.mark.parametrize("family", FAMILIES)
def test_interrupted_twice_in_the_middle_of_epochs(family, tmp_path):
    expected = run(family, steps_per_epoch=5)
    folder, batches = tmp_path / "backups", Batches()
    for after in (4, 6):
        backup = km.callbacks.BackupAndRestore(folder, save_freq=3)
        with pytest.raises(InterruptedError):
            run(family, [Interrupt(after)], backup, steps_per_epoch=5)
    received = run(family, [batches], backup, steps_per_epoch=5)
    assert batches.seen == (4, 0, 1, 2, 3, 4)
    check_same(received, expected)
    assert not folder.exists()


def helpers():
    """Return callbacks that change training, and have a memory."""
    return [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
        keras.callbacks.ReduceLROnPlateau("loss", 0.1, patience=1, min_delta=9),
        keras.callbacks.EarlyStopping(
            "accuracy", restore_best_weights=True, patience=3, mode="max"
        ),
    ]


# An epoch has 6 meta-batches: the backup of the last one is of a whole epoch
# that has not ended.
@pytest.mark.parametrize(
    "save_freq",
    [6, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, "epoch"))],
)
def test_finite_episodes_and_callbacks_that_remember(save_freq, tmp_path):
    options = {"num_episodes": 12, "steps": 2}
    expected = run("ProtoNet", helpers(), **options)
    backup = km.callbacks.BackupAndRestore(tmp_path, save_freq)
    with pytest.raises(InterruptedError):
        run("ProtoNet", [*helpers(), Interrupt(5)], backup, **options)
    received = run("ProtoNet", helpers(), backup, **options)
    check_same(received, expected)


class Scores(keras.metrics.Metric):
    """A metric whose result is a vector."""

    def __init__(self):
        super().__init__(name="scores")
        self.sums = self.add_weight(shape=(3,), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.sums.assign_add(tf.reduce_mean(y_pred, axis=0))

    def result(self):
        return tf.convert_to_tensor(self.sums)


def test_a_metric_of_vectors_and_intervals_of_validation(tmp_path):
    def fit(others, *callbacks):
        learner, episodes = KILLED_RUN["make"]("ProtoNet", num_episodes=4)
        metrics = ["accuracy", Scores()]
        learner.compile("adam", learner.loss, metrics=metrics, run_eagerly=True)
        return learner.fit(
            episodes,
            validation_data=episodes,
            epochs=2,
            verbose=0,
            callbacks=[*others, *callbacks],
        ).history

    expected = fit([])
    backup = km.callbacks.BackupAndRestore(tmp_path, save_freq=1)
    with pytest.raises(InterruptedError):
        fit([Interrupt(3)], backup)
    received = fit([], backup)
    assert received.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(received[name], values)


def spoiled(first_bad):
    """Return episodes that hold NaN from an index on."""

    def task(seed):
        x, y = km.tasks.Sinusoid(2, 2).task(seed)
        is_bad = seed[1] >= first_bad
        return x, tf.where(is_bad, float("nan"), y)

    return km.episodes.episodes_from_function(task, batch_size=2)


def test_nan_names_the_episodes_and_keeps_the_last_good_state(tmp_path):
    def fit(episodes):
        keras.utils.set_random_seed(0)
        learner = km.learners.ConditionalNeuralProcess(width=4)
        learner.compile("adam", km.losses.GaussianNegativeLogLikelihood())
        backup = km.callbacks.BackupAndRestore(tmp_path, save_freq=2)
        learner.fit(episodes, steps_per_epoch=8, verbose=0, callbacks=[backup])
        return learner

    message = r"loss is nan after step 7 .*indices \[12, 13\].*0006.npz', is"
    with pytest.raises(FloatingPointError, match=message):
        fit(spoiled(first_bad=13))
    resumed, expected = fit(spoiled(99)), fit(spoiled(99))
    for one, two in zip(resumed.variables, expected.variables):
        np.testing.assert_array_equal(one, two)


def test_nan_weights_are_not_backed_up(tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                variable = self.model.trainable_variables[0]
                variable.assign(variable * float("nan"))

    backup = km.callbacks.BackupAndRestore(tmp_path, save_freq=2)
    with pytest.raises(FloatingPointError, match="Weights .*step 4 .*0002.npz"):
        run("ProtoNet", [Spoil()], backup, steps_per_epoch=5)


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="`backup_dir` must be"):
        km.callbacks.BackupAndRestore("")
    with pytest.raises(ValueError, match="Mount a bucket.*gs://bucket/run"):
        km.callbacks.BackupAndRestore("gs://bucket/run")
    with pytest.raises(ValueError, match="save_freq"):
        km.callbacks.BackupAndRestore(tmp_path, save_freq="batch")
    with pytest.raises(ValueError, match="no `fit` yet"):
        km.callbacks.BackupAndRestore(tmp_path).delete_backups()
    backup = km.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    with pytest.raises(
        ValueError, match="One callback that resumes a run is enough"
    ):
        run("ProtoNet", [backup], backup, steps_per_epoch=1)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="works in the `fit` of"):
        model.fit(np.ones([4, 1]), np.ones([4, 1]), callbacks=[backup])


def test_a_backup_that_is_kept(tmp_path):
    backup = km.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    learner, episodes = KILLED_RUN["make"]("ProtoNet")
    options = {"steps_per_epoch": 1, "verbose": 0, "callbacks": [backup]}
    history = learner.fit(episodes, **options).history
    weights = KILLED_RUN["variables"](learner)
    # That run is over, and nothing is trained.
    assert learner.fit(episodes, **options).history == history
    for one, two in zip(KILLED_RUN["variables"](learner), weights):
        np.testing.assert_array_equal(one, two)
    learner.compile("sgd", learner.loss)
    with pytest.raises(ValueError, match="of another learner, optimizer or"):
        learner.fit(episodes, **options)
    backup.delete_backups()
    assert not tmp_path.exists()


@pytest.mark.slow
def test_executions_that_go_beyond_an_endless_epoch(tmp_path):
    """Keras takes six meta-batches for five, twice three."""
    expected = run("ProtoNet", steps_per_epoch=5, steps=2)
    backup = km.callbacks.BackupAndRestore(tmp_path / "backups", save_freq=2)
    with pytest.raises(InterruptedError):
        run("ProtoNet", [Interrupt(5)], backup, steps_per_epoch=5, steps=2)
    received = run("ProtoNet", (), backup, steps_per_epoch=5, steps=2)
    check_same(received, expected)
