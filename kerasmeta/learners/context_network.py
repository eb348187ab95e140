"""Networks that take a context beside their examples."""

import tensorflow as tf

from kerasmeta.learners.network_shapes import input_shapes


def context_size(network):
    """Return the length of the context that a network takes.

    Args:
        network: Built `keras.Model` of a pair: examples `[n, ...]`, or a nest,
            and a context `[n, context_size]`.

    Raises:
        ValueError: If it does not take such a pair.
    """
    shapes = input_shapes(network)
    is_pair = isinstance(shapes, (list, tuple)) and len(shapes) == 2
    context = shapes[1] if is_pair else None
    is_vector = isinstance(context, (list, tuple)) and len(context) == 2
    if not is_vector or not isinstance(context[1], int):
        raise ValueError(
            "`network` must take a pair `[x, context]` whose second part "
            "has shape [n, context_size], such as "
            "`keras.Model([x, context], outputs)` with "
            "`context = keras.Input((5,))`. "
            f"Received: a network with inputs of shape {shapes}"
        )
    return context[1]


def with_context(x, context):
    """Return the pair that such a network takes, with one context for a set.

    Args:
        x: Examples, `[..., n, ...]`, or a nest.
        context: `[..., K]`, of which each of the `n` examples gets a copy.
    """
    axis = context.shape.rank - 1
    size = tf.shape(tf.nest.flatten(x)[0])[axis]
    return [x, tf.repeat(tf.expand_dims(context, axis), size, axis=axis)]
