"""The states of the users of a server."""

import collections
import secrets
import threading


class Users:
    """States under ids that cannot be guessed, the latest used ones.

    An id is 256 random bits, and all that a client needs to use a state: who
    does not know it cannot reach it.

    Args:
        max_users: States to keep.

    Example:

    >>> from kerasmeta.serving.users import Users
    >>> users = Users(max_users=1)
    >>> ann, bob = users.add("state of Ann"), users.add("state of Bob")
    >>> users.get(bob), users.get(ann)
    ('state of Bob', None)
    """

    def __init__(self, max_users):
        self._max_users = max_users
        self._states = collections.OrderedDict()
        self._lock = threading.Lock()

    def add(self, state):
        """Keep a state, and return its id."""
        user = secrets.token_urlsafe(32)
        with self._lock:
            self._states[user] = state
            if len(self._states) > self._max_users:
                self._states.popitem(last=False)
        return user

    def get(self, user):
        """Return the state of a user, or `None` if it is not known."""
        with self._lock:
            if user in self._states:
                self._states.move_to_end(user)
            return self._states.get(user)

    def remove(self, user):
        """Forget a user, and return whether it was known."""
        with self._lock:
            return self._states.pop(user, None) is not None
