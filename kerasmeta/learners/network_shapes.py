"""What a built network takes and returns."""

import keras
import tensorflow as tf


def input_shapes(network):
    """Return the shapes that a network takes, a nest of tuples like its input.

    Args:
        network: Built `keras.Model`: functional, `Sequential` or sub-classed.
    """
    shapes = (network.get_build_config() or {}).get("input_shape")
    if shapes is None:  # A functional one is built from tensors instead.
        return tf.nest.map_structure(lambda t: tuple(t.shape), network.input)
    return shapes


def embedding_size(network, name="network"):
    """Return the width `D` of the embeddings `[n, D]` of a backbone.

    Args:
        network: What should be a built `keras.Model`.
        name: Name of the argument, for messages.

    Raises:
        ValueError: If it is not built or returns anything else.
    """
    check_built(network, name)
    shape = output_shape(network)
    is_matrix = isinstance(shape, tuple) and len(shape) == 2
    if not is_matrix or not isinstance(shape[-1], int):
        raise ValueError(
            f"`{name}` must return embeddings of shape [n, D]: end it with "
            "`Flatten` or `GlobalAveragePooling2D`, or make a model of "
            '`keras.applications` with `pooling="avg"`. '
            f"Received: a {name} with outputs of shape {shape}"
        )
    return shape[-1]


def takes_strings(network):
    """Return whether an input is made of strings.

    Keras' shapes of such networks may have an axis of length one, that of
    `keras.Input((1,), dtype="string")`, which no string and no output has.
    """
    inputs = tf.nest.flatten(getattr(network, "inputs", None))
    return any(getattr(one, "dtype", None) == "string" for one in inputs)


def check_built(network, name):
    """Raise a `ValueError` if a network is no built `keras.Model`.

    Args:
        network: What should be one.
        name: Name of the argument.
    """
    if not isinstance(network, keras.Model) or not network.built:
        raise ValueError(
            f"`{name}` must be a built `keras.Model` from examples to "
            "embeddings; call it once on a batch to build it. "
            f"Received: {name}={network!r}"
        )


def output_shape(network):
    """Return the shape that a network returns, or a nest of such.

    Args:
        network: Built `keras.Model`: functional, `Sequential` or sub-classed.
    """
    shape = getattr(network, "output_shape", None)
    if shape:
        return shape
    inputs = _as_tensors(input_shapes(network))
    return tf.nest.map_structure(
        lambda t: tuple(t.shape), network.compute_output_spec(inputs)
    )


def _as_tensors(shapes):
    if isinstance(shapes, dict):
        return {name: _as_tensors(shape) for name, shape in shapes.items()}
    if any(isinstance(shape, (dict, list, tuple)) for shape in shapes):
        return [_as_tensors(shape) for shape in shapes]
    return keras.KerasTensor((None, *shapes[1:]))
