import pytest

from kerasmeta.episodes.cache_limit import cache_limit


def test_how_much_is_held_in_memory():
    assert cache_limit(False) == 0
    assert cache_limit("auto") == 256 * 2**20
    assert cache_limit(True) > 2**60
    with pytest.raises(ValueError, match="'auto'.*'always'"):
        cache_limit("always")
