"""Running a Keras model as a pure function of its variables."""

import keras
import tensorflow as tf

from kerasmeta.learners.adapted_layers import copy_adapted_layers
from kerasmeta.ops.seeded_noise import seed_of_task


class NetworkState:
    """Calls a network with given values in place of its variables.

    Works on any unmodified Keras model through Keras' public
    `StatelessScope`. Non-trainable state is kept as *buffers*: a dictionary of
    only those values that differ from the network's own, so that frozen layers
    cost nothing.

    Args:
        network: Built `keras.Model`.
    """

    def __init__(self, network):
        self._network = network

    def call(self, weights, buffers, x, training, part=None):
        """Return `(outputs, buffers after the call, extra losses or None)`.

        The extra losses (regularizers, `add_loss`) are those at `weights`. A
        `part`, a model of some of the network's layers, is called in its place.
        """
        network = self._network
        model = network if part is None else part
        state = list(zip(network.trainable_variables, weights))
        values = self._values(buffers)
        state += list(zip(network.non_trainable_variables, values))
        with keras.StatelessScope(state, collect_losses=True) as scope:
            outputs = model(x, training=training)
            losses = model.losses
        after = {}
        for i, variable in enumerate(network.non_trainable_variables):
            value = scope.get_current_value(variable)
            if value is not values[i] or str(i) in buffers:
                after[str(i)] = tf.convert_to_tensor(value)
        if not losses:
            return outputs, after, None
        return outputs, after, tf.add_n([tf.reduce_sum(v) for v in losses])

    def _values(self, buffers):
        return [
            buffers[str(i)] if str(i) in buffers else variable.value
            for i, variable in enumerate(self._network.non_trainable_variables)
        ]

    def seeds_of_task(self, task):
        """Return buffers in which task number `task` has seeds of its own.

        Task 0 keeps the network's seeds, so that they advance as in Keras.
        """
        seeds = {}
        for i, variable in enumerate(self._network.non_trainable_variables):
            if variable.name == "seed_generator_state":
                seeds[str(i)] = seed_of_task(variable.value, task)
        return seeds

    def weights_with(self, variables, values):
        """Return the values of all trainable weights, with others for some.

        Args:
            variables: Trainable variables that have other values.
            values: Their values.
        """
        others = {id(v): value for v, value in zip(variables, values)}
        return [
            others.get(id(variable), variable.value)
            for variable in self._network.trainable_variables
        ]

    def measure(self, run, buffers):
        """Return buffers with the batch statistics of one run.

        Args:
            run: Function from buffers to those after a call of the network
                that updates moving statistics.
            buffers: Non-trainable state.
        """
        statistics = self._statistics()
        if not statistics:
            return buffers
        zeros = {
            name: tf.zeros(variable.shape, variable.dtype)
            for name, variable, _ in statistics
        }
        measured = run({**buffers, **zeros})
        # A layer updates to `momentum * moving + (1 - momentum) * batch`.
        batch = {
            name: measured[name] / (1 - layer.momentum)
            for name, _, layer in statistics
        }
        return {**buffers, **batch}

    def blend_statistics(self, buffers):
        """Return buffers in which batch statistics moved the network's."""
        blended = {
            name: variable.value * layer.momentum
            + buffers[name] * (1 - layer.momentum)
            for name, variable, layer in self._statistics()
        }
        return {**buffers, **blended}

    def has_statistics(self):
        """Return whether BatchNormalization can normalize by batches."""
        return bool(self._statistics())

    def _statistics(self):
        index = {
            id(variable): str(i)
            for i, variable in enumerate(self._network.non_trainable_variables)
        }
        # A frozen layer always uses its moving statistics, as Keras has it.
        return [
            (index[id(variable)], variable, layer)
            for layer in self._network._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization)
            and layer.trainable
            for variable in (layer.moving_mean, layer.moving_variance)
        ]

    def assign(self, buffers):
        """Store the buffers of a meta-batch `[T, ...]` in the network.

        Statistics become the mean over tasks; whatever cannot be averaged,
        seeds above all, is that of task 0.
        """
        for name, values in buffers.items():
            variable = self._network.non_trainable_variables[int(name)]
            is_float = values.dtype.is_floating
            variable.assign(
                tf.reduce_mean(values, 0) if is_float else values[0]
            )

    def copy(self, variables, weights, buffers, x):
        """Return a copy of the network that has these values as its own.

        Args:
            variables: Trainable variables that have other values.
            weights: Their values.
            buffers: Values of non-trainable variables that differ.
            x: Examples, to build a sub-classed network with.
        """
        network = self._network
        copy = keras.models.clone_model(network)
        if not copy.built or not copy.variables:
            copy(x)
        values = {
            id(variable): value
            for variable, value in [
                *((v, v.value) for v in network.trainable_variables),
                *zip(variables, weights),
                *zip(network.non_trainable_variables, self._values(buffers)),
            ]
        }
        # In the order of all variables: cloning forgets what is frozen.
        for variable, own in zip(
            copy.variables, network.variables, strict=True
        ):
            variable.assign(values[id(own)])
        for layer, own in zip(
            copy._flatten_layers(), network._flatten_layers()
        ):
            layer.trainable = own.trainable
        copy_adapted_layers(network, copy)
        return copy
