"""How much memory decoded examples may take."""

import math

from kerasmeta.utils import check_choice

_AUTO_BYTES = 256 * 2**20


def cache_limit(cache):
    """Return from how many bytes on examples are *not* held in memory.

    Args:
        cache: `True` for always, `False` for never, or `"auto"` for less than
            256 MB.
    """
    check_choice("cache", cache, ("auto", True, False))
    if cache == "auto":
        return _AUTO_BYTES
    return math.inf if cache else 0
