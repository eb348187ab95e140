"""The contract finds learners that break it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km


class Broken(km.learners.MetaLearner):
    """A learner with one scale, which can be broken in several ways."""

    def __init__(self, fault=None, **kwargs):
        super().__init__(**kwargs)
        self.fault = fault
        self.scale = self.add_weight(shape=(), initializer="ones")
        self.silent = self.add_weight(shape=(), trainable=fault == "silent")
        self.built = True

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        if self.fault == "stores":
            self.silent.assign_add(1.0)
        if self.fault == "order":
            return {"mean": support_y[0]}
        if support_mask is not None and self.fault != "padding":
            support_y = tf.boolean_mask(support_y, support_mask)
        return {"mean": tf.reduce_mean(support_y, axis=0)}

    def predict_query(self, state, query_x, training=False):
        if self.fault == "noise":
            query_x += tf.random.stateless_normal(tf.shape(query_x), [0, 0])
            return self.scale * query_x
        if self.fault == "queries" and query_x.shape[0] is not None:
            query_x = query_x[1:]
        return self.scale * state["mean"] + 0 * query_x

    def get_config(self):
        config = super().get_config()
        return (
            config
            if self.fault == "config"
            else {**config, "fault": self.fault}
        )


def check(fault, name):
    def make_learner():
        learner = Broken(fault)
        learner.compile(optimizer="adam", loss="mse", metrics=["mse"])
        return learner

    def make_episodes():
        generator = np.random.default_rng(0)

        def draw(size):
            return generator.normal(size=(4, size, 1)).astype("float32")

        x = {"support_x": draw(5), "support_y": draw(5), "query_x": draw(6)}
        return tf.data.Dataset.from_tensor_slices((x, draw(6))).batch(2)

    with keras.saving.custom_object_scope({"Broken": Broken}):
        km.testing.check_learner(make_learner, make_episodes, [name])


FAULTS = {
    "stores": "adapt_leaves_the_weights",
    "order": "support_permutation",
    "padding": "padding",
    "queries": "shapes",
    "silent": "every_weight_learns",
    "config": "config",
    "noise": "xla_equals_graph",  # XLA draws other numbers from a seed.
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault):
    with pytest.raises((AssertionError, TypeError, ValueError)):
        check(fault, FAULTS[fault])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sound_learner_passes(fault):
    check(None, FAULTS[fault])


def test_unknown_checks_are_refused():
    with pytest.raises(ValueError, match="unknown checks \\['speed'\\]"):
        km.testing.check_learner(lambda: None, lambda: None, ["speed"])
