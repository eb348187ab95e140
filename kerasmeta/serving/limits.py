"""What a client may ask for."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much users may take of a server.

    Args:
        max_users: Users whose states are kept. One more, and the user that has
            not asked for longest is forgotten.
        max_state_bytes: Memory of all states. A user more than there is room
            for, and the users that have not asked for longest are forgotten.
        max_examples: Support or query examples of a request, and classes.
        max_bytes: Size of the body of a request.
        max_requests: Requests answered at once; others wait. Each may take up
            to sixty times `max_bytes` of memory.

    Raises:
        ValueError: If one is not a positive integer.

    Example:

    >>> from kerasmeta.serving import Limits
    >>> Limits(max_users=100).max_examples
    1000
    """

    max_users: int = 1000
    max_state_bytes: int = 2**30
    max_examples: int = 1000
    max_bytes: int = 8 * 2**20
    max_requests: int = 4

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` must be a positive integer. "
                    f"Received: {name}={value!r}"
                )
