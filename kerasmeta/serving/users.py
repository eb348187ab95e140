"""The states of the users of a server."""

import collections
import secrets
import threading


class Users:
    """States under ids that cannot be guessed, the latest used ones.

    When there are too many, or they take too much memory, those are forgotten
    that were not asked for longest.

    An id is 256 random bits, and all that a client needs to use a state: who
    does not know it cannot reach it.

    Args:
        max_users: States to keep.
        max_bytes: Memory that they may take.

    Example:

    >>> from kerasmeta.serving.users import Users
    >>> users = Users(max_users=10, max_bytes=5)
    >>> ann, bob = users.add("state of Ann", 3), users.add("state of Bob", 3)
    >>> users.get(bob), users.get(ann)
    ('state of Bob', None)
    """

    def __init__(self, max_users, max_bytes):
        self._max_users = max_users
        self._max_bytes = max_bytes
        self._bytes = 0
        self._states = collections.OrderedDict()
        self._lock = threading.Lock()

    def add(self, state, size):
        """Keep a state of `size` bytes, and return its id."""
        user = secrets.token_urlsafe(32)
        with self._lock:
            self._states[user] = state, size
            self._bytes += size
            while self._is_full():
                self._bytes -= self._states.popitem(last=False)[1][1]
        return user

    def get(self, user):
        """Return the state of a user, or `None` if it is not known."""
        with self._lock:
            if user in self._states:
                self._states.move_to_end(user)
            return self._states.get(user, (None, 0))[0]

    def remove(self, user):
        """Forget a user, and return whether it was known."""
        with self._lock:
            _, size = self._states.pop(user, (None, None))
            self._bytes -= size or 0
            return size is not None

    def _is_full(self):
        too_many = len(self._states) > self._max_users
        return too_many or self._bytes > self._max_bytes
