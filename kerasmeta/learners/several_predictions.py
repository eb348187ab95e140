"""What to do where each query has several predictions."""

import tensorflow as tf

from kerasmeta.learners.queries import loss_inputs


def mean_of_losses(
    learner, episodes, query_y, sample_weight, predictions, shares
):
    """Return the weighted mean of the outer losses of several predictions.

    Args:
        learner: Compiled `MetaLearner`, called on the episodes just before.
        episodes: Dictionary of the meta-batch.
        query_y: `[T, Q, ...]`.
        sample_weight: `[T, Q]`, or `None`.
        predictions: Predictions, a nest of `[T, n, Q, ...]`.
        shares: What each weighs, `[n]`, with the sum 1.
    """
    mask = episodes.get("query_mask")

    def loss_of(query_pred):
        queries = query_y, query_pred, sample_weight
        judged = loss_inputs(learner.loss, mask, *queries)
        return learner.compute_loss(x=episodes, training=True, **judged)

    losses = tf.stack(
        [
            loss_of(prediction_at(predictions, i, axis=1))
            for i in range(shares.shape[0])
        ]
    )
    return tf.reduce_sum(tf.cast(shares, losses.dtype) * losses)


def prediction_at(predictions, i, axis):
    """Return one of the predictions that are stacked along an axis."""
    return tf.nest.map_structure(
        lambda t: tf.unstack(t, axis=axis)[i], predictions
    )


def mean_prediction(predictions, axis, from_logits):
    """Return the mean of predictions that are stacked along an axis.

    Args:
        predictions: Nest of tensors.
        axis: The axis.
        from_logits: Whether they are logits, of a softmax, or of a sigmoid if
            the last axis has one number. Then probabilities are averaged, and
            returned as log-probabilities or log-odds.
    """

    def average(tensor):
        if not from_logits:
            return tf.reduce_mean(tensor, axis)
        if tensor.shape[-1] == 1:
            yes = _log_mean(tf.math.log_sigmoid(tensor), axis)
            return yes - _log_mean(tf.math.log_sigmoid(-tensor), axis)
        return _log_mean(tf.nn.log_softmax(tensor), axis)

    return tf.nest.map_structure(average, predictions)


def _log_mean(logarithms, axis):
    size = tf.cast(logarithms.shape[axis], logarithms.dtype)
    return tf.reduce_logsumexp(logarithms, axis) - tf.math.log(size)
