"""An LSTM that learns how to take inner steps."""

import math

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.ops.log_and_sign import log_and_sign
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number

# The paper draws the bias of the forget gate from 4..6 and the kernels of
# both gates from within +-0.01.
_FORGET_BIAS = 5.0
_KERNEL_RANGE = 0.01


@keras.saving.register_keras_serializable(package="kerasmeta")
class LSTMSteps(InnerOptimizer):
    """An LSTM whose cell state is the weights.

    Use it to learn the update rule itself. Every number of the weights is a
    coordinate with a hidden state of its own; all share the same LSTM. A first,
    ordinary LSTM sees the preprocessed gradient and loss, `h <- LSTM(prep(
    gradient), prep(loss))`, and a second one has the weights as its cell:

    `i <- sigmoid(W_i [h, w, i] + b_i)`, `f <- sigmoid(W_f [h, w, f] + b_f)`
    `w <- f * w - i * gradient`

    with gates of zero before the first step. At the beginning the input gate
    `i` is near `learning_rate` and the forget gate `f` near 0.993. With `p =
    10`, `prep(x)` is `(log|x| / p, sign(x))` if `|x| >= exp(-p)`, else
    `(-1, exp(p) * x)`.

    The logarithm has steep derivatives, so give the learner
    `first_order=True`: gradients and losses are then constants, as in the
    paper. Memory grows with `units` times the number of coordinates.

    Reference: Ravi and Larochelle, 2017, "Optimization as a Model for Few-Shot
    Learning", ICLR, sections 3 and 3.2; the preprocessing is that of
    Andrychowicz et al., 2016, "Learning to learn by gradient descent by
    gradient descent", arXiv:1606.04474, appendix A.

    Args:
        learning_rate: Number in 0..1, what the input gate is at the beginning.
        units: Number of units of the first LSTM.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`.

    Raises:
        ValueError: If a number is not in its range.

    Example:

    >>> optimizer = km.inner_optimizers.LSTMSteps(units=8)
    >>> learner = km.learners.MAML(
    ...     km.backbones.mlp((1,), 1), inner_optimizer=optimizer,
    ...     first_order=True,
    ... )
    >>> optimizer.count_params()  # whatever the number of weights
    438
    """

    def __init__(self, learning_rate=0.01, units=20, **kwargs):
        _check_gate(learning_rate)
        super().__init__(learning_rate, **kwargs)
        self.units = check_positive_int("units", units)

    def build_for(self, weights, steps=1):
        super().build_for(weights, steps)
        dtype = weights[0].dtype.name
        self.cell = keras.layers.LSTMCell(self.units, dtype=dtype, name="cell")
        self.cell.build((None, 4))
        rate = self.learning_rate
        input_bias = math.log(rate / (1 - rate))
        self.input_gate = self._add_gate("input", input_bias, dtype)
        self.forget_gate = self._add_gate("forget", _FORGET_BIAS, dtype)

    def _add_gate(self, name, bias, dtype):
        kernel = self.add_weight(
            shape=(self.units + 2,),
            initializer=keras.initializers.RandomUniform(
                -_KERNEL_RANGE, _KERNEL_RANGE
            ),
            dtype=dtype,
            name=f"{name}_kernel",
        )
        bias = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(bias),
            dtype=dtype,
            name=f"{name}_bias",
        )
        return [kernel, bias]

    def initial_state(self, weights):
        coordinates = sum(_sizes(weights))
        dtype = weights[0].dtype
        return {
            "hidden": tf.zeros([coordinates, self.units], dtype),
            "cell": tf.zeros([coordinates, self.units], dtype),
            "input": tf.zeros([coordinates], dtype),
            "forget": tf.zeros([coordinates], dtype),
        }

    def step(self, weights, gradients, state, step, loss=None):
        if loss is None:
            raise ValueError(
                "The LSTM needs the loss that the gradients are of, as its "
                "input. Received: loss=None. Pass `loss` to `step`."
            )
        flat, gradient = _flatten(weights), _flatten(gradients)  # (P,), (P,)
        hidden, cell = self._first_layer(gradient, loss, state)
        input_gate = _gate(self.input_gate, hidden, flat, state["input"])
        forget_gate = _gate(self.forget_gate, hidden, flat, state["forget"])
        moved = forget_gate * flat - input_gate * gradient
        return _unflatten(moved, weights), {
            "hidden": hidden,
            "cell": cell,
            "input": input_gate,
            "forget": forget_gate,
        }

    def _first_layer(self, gradient, loss, state):
        of_loss = log_and_sign(tf.cast(loss, gradient.dtype)[None])
        of_loss = tf.broadcast_to(of_loss, [gradient.shape[0], 2])
        inputs = tf.concat([log_and_sign(gradient), of_loss], 1)  # (P, 4)
        return self.cell(inputs, [state["hidden"], state["cell"]])[1]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _check_gate(learning_rate):
    if check_positive_number("learning_rate", learning_rate) >= 1:
        raise ValueError(
            "`learning_rate` must be a number between 0 and 1, because it is "
            "what a gate is at the beginning. "
            f"Received: learning_rate={learning_rate!r}"
        )


def _gate(variables, hidden, flat, before):
    kernel, bias = variables
    inputs = tf.concat([hidden, flat[:, None], before[:, None]], axis=1)
    return tf.sigmoid(tf.linalg.matvec(inputs, kernel.value) + bias.value)


def _sizes(weights):
    return [w.shape.num_elements() for w in weights]


def _flatten(tensors):
    return tf.concat([tf.reshape(t, [-1]) for t in tensors], axis=0)


def _unflatten(flat, like):
    parts = tf.split(flat, _sizes(like))
    return [tf.reshape(part, t.shape) for part, t in zip(parts, like)]
