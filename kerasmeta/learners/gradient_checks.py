"""Checks of what gradient learners are constructed with."""

import keras

from kerasmeta.inner_optimizers import InnerOptimizer


def check_inner_optimizer(optimizer):
    """Return an inner optimizer, or say what is wrong with it."""
    if not isinstance(optimizer, InnerOptimizer):
        raise ValueError(
            "`inner_optimizer` must be one of `kerasmeta.inner_optimizers`. "
            "Keras' own optimizers cannot be differentiated through. "
            f"Received: inner_optimizer={optimizer!r}"
        )
    return optimizer


def check_adaptable(network):
    """Return a network that has weights to adapt, or say what is wrong."""
    if not isinstance(network, keras.Model):
        raise ValueError(
            "`network` must be a `keras.Model`. "
            f"Received: network={network!r} of type {type(network).__name__}"
        )
    if not network.built or not network.variables:
        raise ValueError(
            "`network` must be built, so that it has weights to adapt: begin "
            "a Sequential with `keras.Input(shape)`, or call the network once "
            f"on a batch. Received: an unbuilt network named {network.name!r}"
        )
    if not network.trainable_variables:
        raise ValueError(
            "`network` must have trainable weights to adapt. Set "
            "`trainable = True` on some of its layers. Received: a network "
            f"named {network.name!r} in which everything is frozen"
        )
    return network


def check_fast_weights(weights):
    """Return fast weights, or say that all have been frozen."""
    if not weights:
        raise ValueError(
            "A learner must have trainable weights to adapt, in evaluation, "
            "too. Set `trainable = True` on what adapts. Received: a network "
            "that has been frozen since the learner was constructed"
        )
    return weights
