"""Update weights on one replica and on two, and compare; run by tests.

`python replica_updates_script.py mirrored|workers NAME...` prints `equal` at
its end. With `workers` it is one of two processes, told by `TF_CONFIG`.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

# Programs find what lies beside them, and this lies a folder above.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

from two_replicas import two_replicas  # noqa: E402

STRATEGY = two_replicas(sys.argv[1])

import kerasmeta as km  # noqa: E402


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
        keras.optimizers.SGD(0.1, **options), initial_scale=initial_scale
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


CHECKS = {
    "float16": check_float16,
    "float16_of_policies": check_float16_of_policies,
}


def main():
    for name in sys.argv[2:]:
        CHECKS[name]()
    print("equal")


if __name__ == "__main__":
    main()
