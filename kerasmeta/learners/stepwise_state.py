"""BatchNormalization of its own for each inner step."""

import keras
import tensorflow as tf

from kerasmeta.learners.network_state import NetworkState


class StepwiseState(NetworkState):
    """Calls a network whose BatchNormalization differs from step to step.

    Rows `0..K-1` of its scales and offsets, and of its moving statistics, are
    variables made here; row `K` are the network's own. Buffers hold the rows
    of statistic `name` as `steps_name`.

    Args:
        network: Built `keras.Model`.
        steps: Number `K` of inner steps.
        add_weight: What makes variables: `add_weight` of the learner.
        moving: Whether moving statistics have rows.
    """

    def __init__(self, network, steps, add_weight, moving):
        super().__init__(network)
        self._steps = steps
        self._scales = [
            (variable, _add_rows(add_weight, variable, steps, True))
            for variable in scales(network)
        ]
        self._rows = {}
        if moving:
            self._rows = {
                name: _add_rows(add_weight, variable, steps, False)
                for name, variable, _ in self._statistics()
            }

    def call_at(self, step, values, buffers, x, training):
        """Call the network as it is after some steps.

        Args:
            step: Number of inner steps taken.
            values: Values of variables by their `id`; the scales are added.
            buffers: Dictionary of state that differs from the network's own.
            x: Examples.
            training: What Keras layers get as `training`.

        Returns:
            As `call`.
        """
        row = tf.minimum(step, self._steps)
        values = {
            **values,
            **{id(v): _table(rows, v)[row] for v, rows in self._scales},
        }
        weights = [values[id(v)] for v in self._network.trainable_variables]
        own = {name: variable for name, variable, _ in self._statistics()}
        own.update(buffers)
        tables = {
            name: _table(own.get(f"steps_{name}", rows), own[name])
            for name, rows in self._rows.items()
        }
        at_row = {name: table[row] for name, table in tables.items()}
        outputs, after, losses = self.call(
            weights, {**buffers, **at_row}, x, training
        )
        for name, table in tables.items():
            is_row = tf.range(self._steps + 1)[:, None] == row
            table = tf.where(is_row, after[name], table)
            after[f"steps_{name}"], after[name] = table[:-1], table[-1]
        return outputs, after, losses

    def assign(self, buffers):
        buffers = dict(buffers)
        for name, rows in self._rows.items():
            rows.assign(tf.reduce_mean(buffers.pop(f"steps_{name}"), 0))
        super().assign(buffers)


def scales(network):
    """Return gamma and beta of all BatchNormalization that learns."""
    return [
        variable
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        for variable in layer.trainable_variables
    ]


def _add_rows(add_weight, variable, steps, trainable):
    shape = (steps, *variable.shape)
    rows = add_weight(
        shape=shape,
        initializer="zeros",
        dtype=variable.dtype,
        trainable=trainable,
        name=f"{variable.name}_of_step",
    )
    rows.assign(tf.broadcast_to(variable.value, shape))
    return rows


def _table(rows, own):
    """Return all rows, `[K + 1, ...]`."""
    own = tf.convert_to_tensor(own)
    return tf.concat([tf.convert_to_tensor(rows), own[None]], axis=0)
