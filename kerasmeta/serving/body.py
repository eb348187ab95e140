"""The body of a request: as large as allowed, and a JSON object."""

import json

from .errors import BadRequest


async def read_body(request, max_bytes):
    """Return the bytes of a request.

    Args:
        request: The request of Starlette.
        max_bytes: How many there may be. More are not read.

    Raises:
        BadRequest: If it is too large, or not said to be JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind.lower() != "application/json":
        # Nor can a form of some web page ask here in the name of its reader.
        raise BadRequest(
            415,
            f"Content-Type must be application/json. Received: {kind[:100]!r}",
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BadRequest(
                413, f"The body must have {max_bytes} bytes at most."
            )
    return bytes(body)


def parse(body):
    """Return the dictionary that the bytes of a body describe.

    Args:
        body: Bytes.

    Raises:
        BadRequest: If they are no JSON object.
    """
    try:
        # NaN and Infinity are read, and refused with a better reason later.
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        # The text of the error may be long where a number has many digits.
        raise BadRequest(
            400,
            f"The body must be JSON. {type(error).__name__}: "
            f"{str(error)[:100]}",
        ) from None
    if not isinstance(values, dict):
        raise BadRequest(
            400, f"The body must be a JSON object, not {type(values).__name__}."
        )
    return values
