"""A lost worker is named, and other errors are left alone."""

import pytest
import tensorflow as tf

from kerasmeta.utils.lost_workers import lost_workers_named


def test_a_lost_worker():
    message = "Graph execution error:\nCollective ops is aborted by: no beat"
    with pytest.raises(ConnectionError, match="all of them.*: no beat") as info:
        with lost_workers_named():
            raise tf.errors.UnavailableError(None, None, message)
    assert isinstance(info.value.__cause__, tf.errors.UnavailableError)


def test_errors_of_this_process_that_abort_the_others():
    message = "Collective ops is aborted by: OOM when allocating tensor"
    with pytest.raises(tf.errors.ResourceExhaustedError, match="OOM"):
        with lost_workers_named():
            raise tf.errors.ResourceExhaustedError(None, None, message)


def test_other_errors():
    with pytest.raises(tf.errors.UnavailableError, match="a disk"):
        with lost_workers_named():
            raise tf.errors.UnavailableError(None, None, "a disk")
