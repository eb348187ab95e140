"""A model that has learned one task."""

import keras
import tensorflow as tf

from kerasmeta.learners.adapted_layers import copy_adapted_layers
from kerasmeta.learners.lora_weights import enable_lora_as


@keras.saving.register_keras_serializable(package="kerasmeta")
class AdaptedModel(keras.Model):
    """A learner together with what it learned of one task.

    What `adapted_model` returns where the adapted learner is not simply its
    network with other weights. It maps queries `[Q, ...]` to predictions, and
    can be saved as any Keras model.

    Args:
        learner: The `MetaLearner`.
        state: What `learner.adapt` returned.
        **kwargs: `name` and `dtype`, as for `keras.Model`.
    """

    def __init__(self, learner, state, **kwargs):
        super().__init__(**kwargs)
        # A copy, uncompiled: training on must not change the adapted model.
        self.learner = learner.__class__.from_config(learner.get_config())
        enable_lora_as(learner, self.learner)
        self.learner.set_weights(learner.get_weights())
        copy_adapted_layers(learner, self.learner)
        self._structure = tf.nest.map_structure(_describe, state)
        self._leaves = [
            self.add_weight(
                shape=leaf.shape,
                dtype=leaf.dtype.name,
                initializer="zeros",
                trainable=False,
                name=f"state_{i}",
            )
            for i, leaf in enumerate(tf.nest.flatten(state))
        ]
        for variable, leaf in zip(self._leaves, tf.nest.flatten(state)):
            variable.assign(leaf)
        self.built = True

    @property
    def trainable(self):
        # As a whole it is frozen, but its layers keep their `trainable`: that
        # says which weights adapt, and how BatchNormalization normalizes.
        return False

    @trainable.setter
    def trainable(self, value):
        """Leave the layers as they are."""

    def call(self, query_x):
        leaves = [tf.convert_to_tensor(leaf) for leaf in self._leaves]
        state = tf.nest.pack_sequence_as(self._structure, leaves)
        return self.learner.predict_query(state, query_x)

    def get_config(self):
        return {
            **super().get_config(),
            "learner": keras.saving.serialize_keras_object(self.learner),
            "state": self._structure,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["learner"] = keras.saving.deserialize_keras_object(
            config["learner"]
        )
        config["state"] = tf.nest.map_structure(_zeros, config["state"])
        return cls(**config)


def _describe(tensor):
    """Describe a tensor by a string, which no nest takes apart."""
    return ":".join([tensor.dtype.name, *map(str, tensor.shape)])


def _zeros(description):
    dtype, *shape = description.split(":")
    return tf.zeros([int(size) for size in shape], dtype)
