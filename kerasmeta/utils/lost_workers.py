"""Clear words where a worker of several is gone."""

import contextlib

import tensorflow as tf

_ABORTED = "Collective ops is aborted by: "
# What operations of this process raise. Where one fails, TensorFlow aborts what
# it does together with others, and names the error in the same words.
_FROM_HERE = (
    tf.errors.InvalidArgumentError,
    tf.errors.ResourceExhaustedError,
    tf.errors.UnimplementedError,
)


@contextlib.contextmanager
def lost_workers_named():
    """Say what to do when training in step ends because another worker did.

    TensorFlow aborts what the workers do together: at once where a connection
    breaks, or when a worker has sent no heartbeat for some seconds.

    Raises:
        ConnectionError: Instead of TensorFlow's error.
    """
    try:
        yield
    except tf.errors.OpError as error:
        _, is_aborted, reason = error.message.rpartition(_ABORTED)
        if not is_aborted or isinstance(error, _FROM_HERE):
            raise
        raise ConnectionError(
            "Another worker has ended, crashed or cannot be reached, and "
            "workers train in step. Look at its log, end all workers, and "
            "start all of them again: with `km.callbacks.BackupAndRestore` "
            f"they continue. Received from TensorFlow: {reason.strip()}"
        ) from error
