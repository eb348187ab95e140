"""What an error of TensorFlow says to a person."""

import re

# Names of operations and nodes, in brackets.
_NAMES = re.compile(r"\{\{[^{}]*\}\}\s*|\s*\[\[.*|\s*\[Op:.*", re.DOTALL)


def error_reason(error):
    """Return the message of a `tf.errors.OpError` without names of operations.

    Args:
        error: The error.
    """
    return _NAMES.sub("", error.message)
