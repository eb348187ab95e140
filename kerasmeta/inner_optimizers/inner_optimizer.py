"""The base of all inner optimizers."""

import abc

import keras


class InnerOptimizer(keras.layers.Layer, abc.ABC):
    """How the fast weights move in the inner loop: a strategy object.

    It is a pair of pure functions, so that an outer gradient can flow through
    every step. It is a Keras layer because it may own trainable weights of its
    own (learned rates); those are made in `build_for(weights)`.
    """

    def build_for(self, weights):
        """Make the weights of the optimizer, given those that it moves."""
        self.built = True

    def initial_state(self, weights):
        """Return the state before the first step, a nest of tensors."""
        return []

    @abc.abstractmethod
    def step(self, weights, gradients, state, step):
        """Take one step.

        Args:
            weights: List of tensors.
            gradients: List of tensors of the same shapes.
            state: What `initial_state` or the step before returned.
            step: Number of the step, from 0.

        Returns:
            `(weights, state)` after the step.
        """
