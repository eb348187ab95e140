"""A fully connected network."""

import keras
import numpy as np
from keras import layers

from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_widths


def mlp(input_shape, num_outputs, units=(40, 40), name="mlp"):
    """Return a fully connected ReLU network with a linear output.

    With the default units it is the network of MAML's sinusoid regression.

    Reference: Finn, Abbeel and Levine, 2017, arXiv:1703.03400, section 5.1.

    Args:
        input_shape: Shape of one example, such as `(10,)`.
        num_outputs: Width of the output.
        units: Width of each hidden layer.
        name: Name of the model.

    Returns:
        A built functional `keras.Model`.

    Raises:
        ValueError: If a size is no integer or no tuple of them.

    Example:

    >>> km.backbones.mlp((1,), 1).count_params()
    1761
    """
    if np.ndim(input_shape) != 1:
        raise ValueError(
            "`input_shape` must be a tuple of integers, such as `(10,)`. "
            f"Received: input_shape={input_shape!r}"
        )
    units = check_widths("units", units)
    check_positive_int("num_outputs", num_outputs)
    inputs = keras.Input(input_shape)
    x = inputs
    for i, width in enumerate(units, 1):
        x = layers.Dense(width, "relu", name=f"hidden{i}")(x)
    x = layers.Dense(num_outputs, name="head")(x)
    return keras.Model(inputs, x, name=name)
