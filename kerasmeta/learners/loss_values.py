"""What a loss returns before it is reduced to one number."""

import keras
import tensorflow as tf

# They compare the examples of a batch, or divide sums over all of it.
JOINT_LOSSES = (
    keras.losses.circle,
    keras.losses.dice,
    keras.losses.tversky,
)


def loss_function(loss):
    """Return the function of a loss, or a loss that is none itself.

    Args:
        loss: Name, function or `keras.losses.Loss`.
    """
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    return getattr(loss, "fn", loss)


def loss_values(loss, y, y_pred):
    """Return the loss of each example, `[n]`, or whatever a user's returns.

    Args:
        loss: Name, function or `keras.losses.Loss`.
        y: Targets, `[n, ...]`.
        y_pred: Predictions, `[n, ...]`.
    """
    loss = keras.losses.get(loss)
    # As `Loss.__call__` does: half precision outputs, full precision loss.
    dtype = getattr(loss, "dtype", keras.config.floatx())
    dtype = keras.backend.result_type(dtype, y_pred.dtype.name)
    y, y_pred = tf.cast(y, dtype), tf.cast(y_pred, dtype)
    if isinstance(loss, keras.losses.Loss):
        return loss.call(y, y_pred)
    if y.shape.rank == y_pred.shape.rank - 1 and y_pred.shape[-1] == 1:
        y = y[..., None]
    return loss(y, y_pred)


def replaces_call(loss):
    """Return whether a loss computes by itself what it is reduced to.

    Args:
        loss: Name, function or `keras.losses.Loss`.
    """
    is_loss = isinstance(loss, keras.losses.Loss)
    return is_loss and type(loss).__call__ is not keras.losses.Loss.__call__


def is_weighed_as_it_is(loss):
    """Return whether Keras can weigh the examples of a loss, by `[n]`.

    Losses of Keras and kerasmeta return one number for each. What a user's
    returns shows when it is called.

    Args:
        loss: Name, function or `keras.losses.Loss`, or `None`.
    """
    if loss is None or replaces_call(loss):
        return True
    function = loss_function(loss)
    module = getattr(function, "__module__", None) or ""
    is_ours = module.split(".")[0] in ("keras", "kerasmeta")
    return is_ours and function not in JOINT_LOSSES


def check_each(loss, values, counts=None):
    """Raise an error if a loss cannot leave out examples that do not count.

    Args:
        loss: Name, function or `keras.losses.Loss`.
        values: What it returned, as `loss_values` does.
        counts: Which examples count, bool, where all may; `None` where some
            are padding.

    Raises:
        ValueError: With padding.
        tf.errors.InvalidArgumentError: If one does not count.
    """
    if values.shape.rank != 0:
        return
    message = (
        "Where episodes are padded, or queries belong to none of the classes, "
        "a loss must return a number for each example, `[n]`, or several, "
        "`[n, N]`, so that those can be left out. Leave the mean over examples "
        f"to Keras. Received: loss={loss!r}, which returned one number for all"
    )
    if counts is None:
        raise ValueError(message)
    tf.debugging.assert_equal(counts, True, message)
