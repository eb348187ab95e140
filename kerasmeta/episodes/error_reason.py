"""What an error of TensorFlow says to a person."""

import re

# What says where in a program: names of operations and nodes, in brackets,
# where a function was traced, and which step of a dataset called it.
_PLACES = re.compile(
    r"""
    \{\{[^{}]*\}\}\s*
    | \s*\[\[.*
    | \s*\[Op:.*
    | Graph\ execution\ error:\s+
      Detected\ at\ node\ [^\n]*\n
      (?:\s*(?:File\ [^\n]*|<stack\ traces[^\n]*)?\n)*
    | Error\ in\ user-defined\ function\ passed\ to\ \S+
      \ transformation\ with\ iterator:\ \S+:\s
    """,
    re.DOTALL | re.VERBOSE,
)


def error_reason(error):
    """Return the message of a `tf.errors.OpError` without places in a program.

    Args:
        error: The error.
    """
    return _PLACES.sub("", error.message)
