"""The inner loss is the compiled one, or says why it cannot be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.inner_loss import inner_loss_value

GENERATOR = np.random.default_rng(0)
Y, Y_PRED = (
    tf.constant(GENERATOR.normal(size=(2, 6, 2)), "float32") for _ in range(2)
)
MASK = tf.constant([True, True, False, True, False, True])


def squares(mask=MASK):
    return np.mean((Y[0][mask] - Y_PRED[0][mask]) ** 2)


def value(loss, weights=None, y=Y[0], y_pred=Y_PRED[0], mask=None):
    return float(inner_loss_value(loss, weights, y, y_pred, mask))


class Doubled(keras.losses.MeanSquaredError):
    """Overrides `__call__` of a loss that has a `call`."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        return 2 * super().__call__(y_true, y_pred, sample_weight)


class OnlyCalled(keras.losses.Loss):
    """Has no `call` at all."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        each = 2 * tf.reduce_mean((y_true - y_pred) ** 2, axis=-1)
        if sample_weight is not None:
            each *= tf.cast(sample_weight, each.dtype)
        is_sum = self.reduction == "sum"
        return tf.reduce_sum(each) if is_sum else tf.reduce_mean(each)


@pytest.mark.parametrize("loss", [Doubled, OnlyCalled])
def test_a_loss_that_overrides_call_is_called(loss):
    everything = np.mean((Y[0] - Y_PRED[0]) ** 2)
    assert value(loss()) == pytest.approx(2 * everything, rel=1e-5)
    assert value(loss(), mask=MASK) == pytest.approx(2 * squares(), rel=1e-5)
    summed = value(loss(reduction="sum"), mask=MASK)
    assert summed == pytest.approx(8 * squares(), rel=1e-5)


@pytest.mark.parametrize("weights", [0.5, [0.5], (0.5,)])
@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError()])
def test_a_weight_of_one_loss(loss, weights):
    for losses in (loss, [loss], {"out": loss}):
        received = value(losses, weights, mask=MASK)
        assert received == pytest.approx(squares() / 2, rel=1e-5)


def both(first, second):
    return {"one": first, "two": second}


@pytest.mark.parametrize("weights, factor", [(None, 1), (0.5, 0.5)])
def test_one_loss_for_several_outputs(weights, factor):
    y, y_pred = both(Y[0], Y[1]), both(Y_PRED[0], Y_PRED[1])
    expected = factor * sum(
        value("mse", y=y[name], y_pred=y_pred[name]) for name in y
    )
    received = value("mse", weights, y, y_pred)
    assert received == pytest.approx(expected, rel=1e-5)
    received = value("mse", weights, list(y.values()), list(y_pred.values()))
    assert received == pytest.approx(expected, rel=1e-5)


def test_weights_of_several_losses():
    y, y_pred = both(Y[0], Y[1]), both(Y_PRED[0], Y_PRED[1])
    one, two = (value("mse", y=y[n], y_pred=y_pred[n]) for n in y)
    losses = both("mse", "mse")
    for weights in (both(2.0, 3.0), [2.0, 3.0]):
        received = value(losses, weights, y, y_pred)
        assert received == pytest.approx(2 * one + 3 * two, rel=1e-5)
    with pytest.raises(ValueError, match=r"\{'one': 2.0\} for 2 losses"):
        value(losses, {"one": 2.0}, y, y_pred)
    with pytest.raises(ValueError, match="Received: 2 losses"):
        value(losses)


def mean(y, y_pred):
    return tf.reduce_mean((y - y_pred) ** 2)


@pytest.mark.parametrize("loss", ["dice", keras.losses.Dice(), mean])
def test_one_number_for_all_cannot_leave_padding_out(loss):
    assert np.isfinite(value(loss))
    message = "must return a number for each .*(dice|function mean)"
    with pytest.raises(ValueError, match=message):
        value(loss, mask=MASK)


def dense():
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, use_bias=False)]
    )


@pytest.mark.parametrize(
    "arguments",
    [{"loss": "mse", "loss_weights": 2.0}, {"loss": Doubled()}],
)
def test_a_step_follows_the_compiled_loss(arguments):
    network = dense()
    ends = []
    for rate, kwargs in ((0.1, arguments), (0.2, {"loss": "mse"})):
        learner = km.learners.MAML(network, inner_learning_rate=rate)
        learner.compile("sgd", **kwargs)
        state = learner.adapt(Y_PRED[0] @ tf.ones([2, 3]), Y[0])
        ends.append(state["fast_weights"][0])
    np.testing.assert_allclose(*ends, rtol=1e-5)


def test_one_loss_for_a_network_with_two_outputs_trains():
    inputs = keras.Input((2,))
    network = keras.Model(
        inputs, both(*(keras.layers.Dense(2)(inputs) for _ in range(2)))
    )
    learner = km.learners.MAML(network)
    learner.compile("sgd", "mse")
    targets = both(Y, 2 * Y)
    x = {"support_x": Y_PRED, "support_y": targets, "query_x": Y_PRED}
    data = tf.data.Dataset.from_tensors((x, targets))
    assert np.isfinite(learner.fit(data, verbose=0).history["loss"]).all()
