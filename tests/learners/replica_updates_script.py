"""Update weights on one replica and on two, and compare; run by tests.

`python replica_updates_script.py mirrored|workers NAME...` prints `equal` at
its end. With `workers` it is one of two processes, told by `TF_CONFIG`.
"""

import pathlib
import sys
from functools import partial

import keras
import numpy as np
import tensorflow as tf

# Programs find what lies beside them, and this lies a folder above.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

from two_replicas import two_replicas  # noqa: E402

STRATEGY = two_replicas(sys.argv[1])

import kerasmeta as km  # noqa: E402
from kerasmeta.learners.replica_updates import apply_gradients  # noqa: E402

ONE = tf.distribute.get_strategy()
SGD = keras.optimizers.SGD
LIMITS = {"clipnorm": 0.02, "global_clipnorm": 0.02, "clipvalue": 0.005}


def learner_with(optimizer, strategy=STRATEGY, dtype="float32"):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        layers = [keras.layers.Dense(n, "tanh", dtype=dtype) for n in (6, 4)]
        backbone = keras.Sequential([keras.Input((4,)), *layers])
        learner = km.learners.ProtoNet(backbone, ways=3)
        learner.compile(
            optimizer(),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
    return learner


def batch_of(num_tasks=4, overflowing=0):
    """A dataset of a meta-batch, whose last tasks overflow in float16."""
    shape = (2, num_tasks, 6, 4)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    x[:, num_tasks - overflowing :] *= 1e6
    y = np.tile(np.repeat(np.arange(3), 2), (num_tasks, 1))
    episodes = {"support_x": x[0], "support_y": y, "query_x": x[1]}
    return tf.data.Dataset.from_tensors((episodes, y))


def weights_of(learner):
    return np.concatenate([np.ravel(v) for v in learner.trainable_variables])


def scaling(initial_scale=16.0, **options):
    return keras.optimizers.LossScaleOptimizer(
        SGD(0.1, **options), initial_scale=initial_scale
    )


def check_float16():
    """A step is left out where the gradients of one replica overflow."""
    learner = learner_with(scaling, dtype="mixed_float16")
    before = weights_of(learner)
    for overflowing in (0, 1, 0):
        learner.fit(batch_of(overflowing=overflowing), verbose=0)
        after = weights_of(learner)
        assert np.isfinite(after).all(), overflowing
        assert np.array_equal(after, before) == (overflowing > 0)
        before = after
    scales = STRATEGY.experimental_local_results(
        learner.optimizer.dynamic_scale.value
    )
    assert all(scale == 8.0 for scale in scales), scales


def check_float16_of_policies():
    """So, too, with learners that act."""

    class Policy(km.rl.PolicyLearner):
        infinite = None

        def build(self, input_shape=None):
            self.weight = self.add_weight(shape=(2,), initializer="ones")

        def collect(self, tasks, seed, training=False):
            return tf.ones([1]), {"return": tf.ones([1])}

        def policy_loss(self, experience):
            context = tf.distribute.get_replica_context()
            is_here = context.replica_id_in_sync_group == self.infinite
            loss = tf.reduce_sum(self.weight * experience)
            return tf.where(is_here, np.inf, 1.0) * loss

    environment = km.rl.BernoulliBandits()
    with STRATEGY.scope():
        learner = Policy(environment)
        learner.build()
        learner.compile(scaling())
    for learner.infinite, weight in ((None, 0.9), (0, 0.9), (1, 0.9)):
        learner.make_train_function(force=True)
        learner.fit(environment.trials(4, num_trials=4), verbose=0)
        np.testing.assert_allclose(weights_of(learner), weight, rtol=1e-6)


def compare(optimizer, dtype="float32"):
    """Train on an uneven meta-batch, and return the weights."""
    learners = [learner_with(optimizer, s, dtype) for s in (ONE, STRATEGY)]
    for learner in learners:
        learner.fit(batch_of(3).repeat(2), verbose=0)
    one, both = map(weights_of, learners)
    np.testing.assert_allclose(both, one, rtol=1e-5, atol=1e-6)
    return one


def check_clipping():
    """Limits are those of the gradient of all replicas."""
    unlimited = compare(partial(SGD, 0.5))
    for name, limit in LIMITS.items():
        for options in ({}, {"loss_scale_factor": 64.0}):
            limited = compare(partial(SGD, 0.5, **{name: limit}, **options))
            assert np.abs(limited - unlimited).max() > 1e-3, name
        compare(partial(scaling, **{name: limit}))
    # With what is infinite, a limit does not hide that a step is left out.
    learner = learner_with(
        partial(scaling, clipvalue=0.1), dtype="mixed_float16"
    )
    before = weights_of(learner)
    learner.fit(batch_of(overflowing=1), verbose=0)
    np.testing.assert_array_equal(weights_of(learner), before)


def rows_after_update(strategy, optimizer):
    """Return embeddings after a step with gradients of rows, and a `None`."""
    with strategy.scope():
        table = keras.Variable(np.ones([4, 2], "float32"))
        unused = keras.Variable(1.0)
        optimizer = optimizer()
        optimizer.build([unused, table])
    replicas = strategy.num_replicas_in_sync

    @tf.function
    def step():
        def on_replica():
            context = tf.distribute.get_replica_context()
            place = context.replica_id_in_sync_group
            rows = [0, 1, 1, 2] if replicas == 1 else [2 * place, 1]
            with tf.GradientTape() as tape:
                rows = tf.gather(table.value, rows)
                loss = optimizer.scale_loss(tf.reduce_sum(rows))
            gradients = tape.gradient(loss, [unused.value, table.value])
            assert isinstance(gradients[1], tf.IndexedSlices)
            apply_gradients(optimizer, gradients, [unused, table])

        strategy.run(on_replica)

    step()
    return table.numpy()


def check_rows():
    """Gradients may be rows of an embedding, or missing."""
    for build in (SGD, scaling):
        for options in ({}, *({name: 0.3} for name in LIMITS)):
            values = [
                rows_after_update(strategy, partial(build, **options))
                for strategy in (ONE, STRATEGY)
            ]
            np.testing.assert_allclose(*values, rtol=1e-6, err_msg=str(options))
            assert np.all(values[0][:3] < 1.0)


def check_averages():
    """Averages of weights, and weight decay, are those of one replica."""
    plain = compare(partial(SGD, 0.5))
    averaged = partial(SGD, 0.5, use_ema=True, ema_momentum=0.5)
    decayed = partial(SGD, 0.5, weight_decay=0.1)
    for optimizer in (averaged, decayed):
        assert np.abs(compare(optimizer) - plain).max() > 1e-3


def train_with_callbacks(strategy):
    """Return the history, with what callbacks wrote and when they stopped."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        backbone = km.backbones.mlp((1,), 1, units=(8,))
        learner = km.learners.MAML(backbone, 0.01, inner_steps=1)
        learner.compile(SGD(0.01), "mse", metrics=["mse"])
    curves = km.tasks.Sinusoid(shots=3)
    judged = curves.episodes(4, seed=1, num_episodes=6)
    callbacks = [
        km.callbacks.AdaptationCurve(judged),
        km.callbacks.InnerLearningRateScheduler(lambda _, rate: 2 * rate),
        km.callbacks.EpisodicEarlyStopping(
            "val_mse", mode="min", min_delta=100.0, patience=1
        ),
    ]
    history = learner.fit(
        curves.episodes(4),
        steps_per_epoch=2,
        epochs=5,
        verbose=0,
        validation_data=judged,
        callbacks=callbacks,
    )
    return history.history


def check_callbacks():
    """Callbacks see, and set, what they do on one replica."""
    one, both = train_with_callbacks(ONE), train_with_callbacks(STRATEGY)
    assert one.keys() == both.keys()
    np.testing.assert_allclose(one["inner_learning_rate"], [0.02, 0.04])
    assert "mse_ci95_after_1" in one
    for name in one:
        np.testing.assert_allclose(
            both[name], one[name], rtol=1e-4, err_msg=name
        )


CHECKS = {
    "float16": check_float16,
    "float16_of_policies": check_float16_of_policies,
    "clipping": check_clipping,
    "rows": check_rows,
    "averages": check_averages,
    "callbacks": check_callbacks,
}


def main():
    for name in sys.argv[2:]:
        CHECKS[name]()
    print("equal")


if __name__ == "__main__":
    main()
