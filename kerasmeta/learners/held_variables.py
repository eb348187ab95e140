"""Variables held at the values that they have now."""

import keras
import tensorflow as tf


class HeldVariables:
    """Reads variables once, so that code can run on the values as tensors.

    Loops over tasks or steps get explicit tensors instead of reading variables
    each time: gradients are taken of tensors, and whatever is assigned within
    the scope is kept aside instead of stored. Built on Keras' public
    `StatelessScope`.

    Args:
        variables: List of Keras variables.
    """

    def __init__(self, variables):
        self.variables = list(variables)
        self.values = [tf.convert_to_tensor(v.value) for v in self.variables]

    def with_seeds(self, seeds):
        """Return the values, with other ones for the variables in `seeds`.

        Args:
            seeds: Dictionary from the `id` of a variable to its value.
        """
        return [
            seeds.get(id(variable), value)
            for variable, value in zip(self.variables, self.values)
        ]

    def scope(self, values=None):
        """Open a `StatelessScope` in which the variables have these values.

        Args:
            values: List of tensors; by default those that were read.
        """
        values = self.values if values is None else values
        return keras.StatelessScope(
            list(zip(self.variables, values)), collect_losses=True
        )


def hold(learner):
    """Return what a step of training reads, held: weights, then true state."""
    return HeldVariables([*learner.trainable_variables, *true_state(learner)])


def true_state(model):
    """Return the variables of a model that no optimizer moves.

    Statistics, seeds and the like, but not the weights of frozen layers, which
    nothing changes.
    """
    frozen = {
        id(variable)
        for layer in model._flatten_layers()
        for variable in layer._trainable_variables
    }
    return [v for v in model.non_trainable_variables if id(v) not in frozen]
