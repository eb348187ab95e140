"""What is wrong with a request."""


class BadRequest(Exception):
    """A request that is refused, with the status and the reason to send.

    Args:
        status: HTTP status, 400 to 499.
        reason: What was expected, and what was received.
    """

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status
        self.reason = reason
