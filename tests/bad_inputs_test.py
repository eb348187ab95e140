"""What a wrong call is told: what was expected, what came, how to mend it.

Of calls that make episodes or networks, see `bad_inputs_test.py` of these.
"""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

# Of all that is no meta-batch.
EPISODES = (
    "Episodes must be `(x, query_y)` or `(x, query_y, sample_weight)`, where "
    '`x` is a dictionary with "support_x", "support_y" and "query_x" (and '
    'maybe "support_mask" and "query_mask"), each with a leading axis of tasks '
    "and one of examples. Make them with `kerasmeta.episodes`. Received: x="
)
SPEC = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
X, Y = np.arange(24.0)[:, None], np.arange(24) % 4


def mlp(outputs=2):
    return km.backbones.mlp((1,), outputs, units=(4,))


NETWORK = mlp()
# Called on no meta-batch yet.
FRESH = km.learners.ProtoNet(NETWORK)
BANDITS = km.rl.BernoulliBandits()


def episodes():
    return km.episodes.episodes_from_arrays(
        X, Y, SPEC, num_episodes=4, batch_size=2
    )


def proto_net():
    learner = km.learners.ProtoNet(NETWORK)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return learner


def ones(*shape):
    return tf.ones(shape)


LEARNERS = {
    "no network": (
        lambda: km.learners.MAML(None),
        "`network` must be a `keras.Model`. Received: network=None of type "
        "NoneType",
    ),
    "a string for a rate": (
        lambda: km.learners.MAML(NETWORK, inner_learning_rate="0.1"),
        "`learning_rate` must be a positive finite number. "
        "Received: learning_rate='0.1'",
    ),
    "half a step": (
        lambda: km.learners.MAML(NETWORK, inner_steps=1.5),
        "`inner_steps` must be an integer of at least 1. "
        "Received: inner_steps=1.5",
    ),
    "the name of an inner optimizer": (
        lambda: km.learners.MAML(NETWORK, inner_optimizer="sgd"),
        "`inner_optimizer` must be one of `kerasmeta.inner_optimizers`. Keras' "
        "own optimizers cannot be differentiated through. "
        "Received: inner_optimizer='sgd'",
    ),
    "an unknown argument": (
        lambda: km.learners.MAML(NETWORK, lr=0.1),
        "Unrecognized keyword arguments passed to MAML: {'lr': 0.1}",
    ),
    "an unknown policy of normalization": (
        lambda: km.learners.MAML(NETWORK, batch_norm="train"),
        "`batch_norm` must be one of 'transductive', 'inductive', 'moving'. "
        "Received: batch_norm='train'",
    ),
    "no steps in tests": (
        lambda: km.learners.MAML(NETWORK, test_inner_steps=0),
        "`test_inner_steps` must be an integer of at least 1. "
        "Received: test_inner_steps=0",
    ),
    "no regularization": (
        lambda: km.learners.IMAML(NETWORK, regularization=0),
        "`regularization` must be a positive finite number. "
        "Received: regularization=0",
    ),
    "no examples of a step": (
        lambda: km.learners.Reptile(NETWORK, inner_batch_size=0),
        "`inner_batch_size` must be an integer of at least 1. "
        "Received: inner_batch_size=0",
    ),
    "all dropped": (
        lambda: km.learners.LEO(NETWORK, ways=5, dropout=1),
        "`dropout` must be a number of at least 0 and less than 1. "
        "Received: dropout=1",
    ),
    "a function for a backbone": (
        lambda: km.learners.ProtoNet(len),
        "`backbone` must be a built `keras.Model` from examples to embeddings; "
        "call it once on a batch to build it. Received: backbone=<built-in "
        "function len>",
    ),
    "an unknown distance": (
        lambda: km.learners.ProtoNet(NETWORK, distance="manhattan"),
        "`distance` must be one of 'squared_euclidean', 'cosine'. "
        "Received: distance='manhattan'",
    ),
    "one way": (
        lambda: km.learners.R2D2(NETWORK, ways=1),
        "`ways` must be an integer of at least 2. Received: ways=1",
    ),
    "negative ridge": (
        lambda: km.learners.MahalanobisNet(NETWORK, ridge=-1),
        "`ridge` must be a positive finite number. Received: ridge=-1",
    ),
    "a momentum of 1": (
        lambda: km.learners.Baseline(NETWORK, momentum=1.0),
        "`momentum` must be a number of at least 0 and less than 1. "
        "Received: momentum=1.0",
    ),
    "no neighbours": (
        lambda: km.learners.LaplacianShot(NETWORK, neighbours=0),
        "`neighbours` must be an integer of at least 1. Received: neighbours=0",
    ),
    "an unknown cell": (
        lambda: km.learners.RecurrentNetwork(NETWORK, 2, cell="rnn"),
        "`cell` must be one of 'lstm', 'gru'. Received: cell='rnn'",
    ),
    "heads that do not fit": (
        lambda: km.learners.InContextTransformer(NETWORK, 2, width=10, heads=4),
        "The width of the tokens must be a multiple of `heads`. "
        "Received: heads=4, tokens of width 10",
    ),
    "no samples": (
        lambda: km.learners.NeuralProcess(samples=0),
        "`samples` must be an integer of at least 1. Received: samples=0",
    ),
    "a rate of 0": (
        lambda: km.inner_optimizers.GradientDescent(0),
        "`learning_rate` must be a positive finite number. "
        "Received: learning_rate=0",
    ),
    "a beta of 1": (
        lambda: km.inner_optimizers.Adam(beta_1=1),
        "`beta_1` must be a number of at least 0 and less than 1. "
        "Received: beta_1=1",
    ),
    "rates of steps": (
        lambda: km.inner_optimizers.LearnedRates(per="step"),
        "`per` must be one of 'weight', 'channel', 'layer', 'layer_step'. "
        "Received: per='step'",
    ),
}

CALLS = {
    "nothing to fit": (lambda: proto_net().fit(), EPISODES + "NoneType"),
    "arrays to fit": (lambda: proto_net().fit(X, Y), EPISODES + "ndarray"),
    "an iterator to fit": (
        lambda: proto_net().fit(iter(episodes())),
        EPISODES + "OwnedIterator",
    ),
    "arrays to validate": (
        lambda: proto_net().fit(episodes(), validation_data=(X, Y)),
        EPISODES + "ndarray",
    ),
    "arrays to evaluate": (
        lambda: proto_net().evaluate(X, Y),
        EPISODES + "ndarray",
    ),
    "arrays to predict": (
        lambda: proto_net().predict(X, verbose=0),
        EPISODES + "SymbolicTensor",
    ),
    "a call without labels": (
        lambda: FRESH({"support_x": ones(2, 2, 1), "query_x": ones(2, 2, 1)}),
        EPISODES + "['query_x', 'support_x']",
    ),
    "a support set without labels": (
        lambda: FRESH.adapted_model(X[:2], None),
        "A support set must have examples and their labels: "
        "`support_x, support_y`. Received: None instead of one of them",
    ),
    "labels of other examples": (
        lambda: FRESH.adapted_model(X[:2], Y[:3]),
        "A support set must have at least one example, and as many labels as "
        "examples. Received: [2, 3] examples and labels",
    ),
    "an export of unknown shapes": (
        lambda: FRESH.export("never written"),
        "The shapes and dtypes of the episodes are not known yet. Call `fit` "
        "or `evaluate` first, or pass `episodes=`, a dataset or a meta-batch.",
    ),
    "an export with arrays": (
        lambda: FRESH.export("never written", episodes=X),
        EPISODES + "ndarray",
    ),
    "an export of a network": (
        lambda: km.export.export_learner(NETWORK, "never written"),
        "`learner` must be a `MetaLearner`. Other models have an `export` of "
        "their own. Received: learner=<Functional name=mlp, built=True>",
    ),
    "no backbone to embed with": (
        lambda: km.evaluation.embed(None, X),
        "`backbone` must be a built `keras.Model` from examples to features. "
        "Received: backbone=None",
    ),
    "nothing to embed": (
        lambda: km.evaluation.embed(NETWORK, []),
        "`data` must hold at least one example. Received: data.shape=(0,)",
    ),
    "open arrays": (
        lambda: km.evaluation.open_set_episodes(X, 1),
        "`data` must be a dataset of episodes, such as "
        "`kerasmeta.episodes.episodes_from_arrays` makes it. "
        "Received: data of type ndarray",
    ),
    "no loss to verify": (
        lambda: km.testing.verify_meta_gradient(
            km.learners.MAML(NETWORK), *next(iter(episodes()))
        ),
        "Call `compile(loss=...)` on the learner first.",
    ),
}

NUMBERS = {
    "means without deviations": (
        lambda: km.losses.GaussianNegativeLogLikelihood()(
            ones(3, 1), ones(3, 1)
        ),
        "Predictions must hold a mean and a standard deviation of each target, "
        "`[..., 2 * K]`, as neural processes predict them. "
        "Received: predictions of shape (3, 1)",
    ),
    "more targets than means": (
        lambda: km.metrics.GaussianMeanSquaredError()(ones(3, 2), ones(3, 2)),
        "There must be a mean and a standard deviation for each target. "
        "Received: targets of shape (3, 2), means of shape (3, 1)",
    ),
    "one-hot labels of relations": (
        lambda: km.losses.RelationMeanSquaredError()(ones(3, 5), ones(3, 5)),
        "Labels must be integers, one for each query. One-hot labels: use "
        "`tf.argmax(y, -1)`. Received: labels of shape (3, 5) for logits of "
        "shape (3, 5)",
    ),
    "scores for logits": (
        lambda: km.metrics.OpenSetAUROC()(ones(3), ones(3)),
        "`y_pred` must be logits `[T, Q, N]` for labels `[T, Q]`, or `[Q, N]` "
        "for `[Q]`. Received: predictions of shape (3,) for labels of shape "
        "(3,)",
    ),
    "an unknown score": (
        lambda: km.metrics.OpenSetAUROC("margin"),
        "`score` must be one of 'max_probability', 'max_logit', 'energy', "
        "'entropy'. Received: score='margin'",
    ),
    "half a range": (
        lambda: km.tasks.GaussianProcessCurves(shots=(3,)),
        "`shots` must be an integer or a pair (low, high). "
        "Received: shots=(3,)",
    ),
    "an unknown kernel": (
        lambda: km.tasks.GaussianProcessCurves("linear"),
        "`kernel` must be one of 'rbf', 'matern52', 'periodic'. "
        "Received: kernel='linear'",
    ),
    "an unknown split": (
        lambda: km.tasks.Glyphs("dev"),
        "`split` must be one of 'train', 'validation', 'test'. "
        "Received: split='dev'",
    ),
    "one arm": (
        lambda: km.rl.BernoulliBandits(1),
        "`arms` must be an integer of at least 2. Received: arms=1",
    ),
    "no environment": (
        lambda: km.rl.RL2(None, 5),
        "`environment` must be a `km.rl.Environment`, such as "
        "`km.rl.BernoulliBandits()`. Received: environment=None",
    ),
    "a discount of 2": (
        lambda: km.rl.RL2(BANDITS, 5, discount=2),
        "`discount` must be a number from 0 to 1. Received: discount=2",
    ),
    "episodes to act in": (
        lambda: km.rl.RL2(BANDITS, 5, units=4).fit(episodes()),
        "Learners that act are trained and evaluated on what "
        "`Environment.trials` returns, such as "
        f"`environment.trials(batch_size=32)`. Received: {episodes()!r}",
    ),
    "a network of other sizes": (
        lambda: km.rl.MAMLPolicyGradient(km.rl.Navigation2D(), NETWORK),
        "`network` must be a built `keras.Model` from 2 to 4 numbers, such as "
        "`km.backbones.mlp((2,), 4)`. Received: network=<Functional "
        "name=mlp, built=True> with (1, 2)",
    ),
    "half a batch of trials": (
        lambda: BANDITS.trials(num_trials=5, batch_size=2),
        "`num_trials` must be a multiple of `batch_size`. "
        "Received: num_trials=5, batch_size=2",
    ),
    "regrets without bandits": (
        lambda: km.rl.cumulative_regret({}, tf.zeros([1, 1], "int32")),
        "`tasks` must be what `BernoulliBandits.sample_tasks` returned. "
        "Received: tasks with []",
    ),
    "an interval of one task": (
        lambda: km.rl.task_interval([1.0]),
        "An interval needs at least two tasks. Collect more. "
        "Received: values of shape (1,)",
    ),
}

LAYERS = {
    "features without a context": (
        lambda: km.layers.FiLM()(ones(2, 3)),
        "`FiLM` must be called on a pair `[features, context]`, features "
        "[n, ..., channels] and a context [n, size]. "
        "Received: input_shape=(2, 3)",
    ),
    "no dilation": (
        lambda: km.layers.TemporalConvolution(0),
        "`filters` must be an integer of at least 1. Received: filters=0",
    ),
}

AREAS = {**LEARNERS, **CALLS, **NUMBERS, **LAYERS}


@pytest.mark.parametrize("name", AREAS)
def test_a_wrong_call_is_told_how_to_be_right(name):
    call, message = AREAS[name]
    with pytest.raises(ValueError) as told:
        call()
    assert without_frame(str(told.value)) == message


def without_frame(message):
    """Return an error without what Keras puts around one within a call."""
    inner = re.search("\x1b\\[1m(.*)\x1b\\[0m", message, re.DOTALL)
    return inner[1] if inner else message


def test_the_table_names_each_case_once():
    tables = (LEARNERS, CALLS, NUMBERS, LAYERS)
    assert len(AREAS) == sum(map(len, tables))


def test_simulators_must_be_environments():
    pytest.importorskip("gymnasium")
    message = "`make` must be a function from the number of a task to a"
    for make in (None, lambda number: number):
        with pytest.raises(ValueError, match=message):
            km.rl.GymnasiumTasks(make, horizon=5)
