"""Policies of one network, with other weights for each task."""

import keras
import tensorflow as tf

from kerasmeta.learners.network_shapes import input_shapes
from kerasmeta.learners.network_shapes import output_shape
from kerasmeta.learners.network_state import NetworkState
from kerasmeta.ops import map_tasks


class TaskPolicies:
    """Runs a network as the policies of many tasks at once.

    Args:
        network: Built `keras.Model` from observations `[n, D]` to the outputs
            that `actions` takes.
        actions: `ActionDistribution`.
    """

    def __init__(self, network, actions):
        self._network = network
        self._state = NetworkState(network)
        self._actions = actions

    def initial_weights(self, num_tasks):
        """Return the weights of the network once a task: list of `[T, ...]`."""
        return [
            tf.repeat(variable.value[None], num_tasks, axis=0)
            for variable in self._network.trainable_variables
        ]

    def outputs(self, weights, observations):
        """Return `[T, n, ...]` for observations `[T, n, D]`."""

        def one_task(task):
            seen = task["observations"]
            outputs = self._state.call(task["weights"], {}, seen, False)[0]
            # A network may compute in half precision.
            return tf.cast(outputs, "float32")

        return map_tasks(
            one_task, {"weights": weights, "observations": observations}
        )

    def sample(self, weights, observations, seed):
        """Draw actions, `[T, n, ...]`, on observations `[T, n, D]`."""
        return self._actions.sample(self.outputs(weights, observations), seed)

    def log_probs(self, weights, observations, actions):
        """Return the logarithms of densities of actions.

        Args:
            weights: List of tensors `[T, ...]`.
            observations: `[H, T, K, D]`.
            actions: `[H, T, K, ...]`.

        Returns:
            `[H, T, K]`.
        """
        steps, tasks, episodes, width = tf.unstack(tf.shape(observations))
        by_task = tf.reshape(
            tf.transpose(observations, [1, 0, 2, 3]),
            [tasks, steps * episodes, width],
        )
        outputs = tf.reshape(
            self.outputs(weights, by_task),
            [tasks, steps, episodes, self._actions.output_size],
        )
        outputs = tf.transpose(outputs, [1, 0, 2, 3])
        return self._actions.log_prob(outputs, actions)


def check_policy_network(network, environment, actions):
    """Return `network` if it is a policy for an environment."""
    expected = (environment.observation_size, actions.output_size)
    received = None
    if isinstance(network, keras.Model) and network.built:
        shapes = (input_shapes(network), output_shape(network))
        received = tuple(shape[-1] for shape in shapes)
    if received != expected:
        raise ValueError(
            f"`network` must be a built `keras.Model` from {expected[0]} to "
            f"{expected[1]} numbers, such as `km.backbones.mlp("
            f"({expected[0]},), {expected[1]})`. "
            f"Received: network={network!r} with {received}"
        )
    return network
