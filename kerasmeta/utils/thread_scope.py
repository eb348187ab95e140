"""A value that holds within a scope, in one thread."""

import contextlib
import threading


class ThreadScope:
    """Holds a value for all that is called within a `with` of this thread.

    Args:
        default: The value outside of all scopes.

    Example:

    >>> from kerasmeta.utils.thread_scope import ThreadScope
    >>> scope = ThreadScope("outside")
    >>> with scope.holding("inside"):
    ...     scope.value
    'inside'
    >>> scope.value
    'outside'
    """

    def __init__(self, default=None):
        self._default = default
        self._local = threading.local()

    @property
    def value(self):
        """That of the innermost scope around, in this thread."""
        return getattr(self._local, "value", self._default)

    @contextlib.contextmanager
    def holding(self, value):
        """Let `value` hold until the end of the scope, also by an error."""
        outer = self.value
        self._local.value = value
        try:
            yield value
        finally:
            self._local.value = outer
