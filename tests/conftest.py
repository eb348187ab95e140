"""What the tests share."""

import pathlib

import pytest

SHARED = pathlib.Path(__file__).parents[2] / "shared"


@pytest.fixture
def shared_file():
    """Return a function that finds a file beside the checkout, or skips."""

    def find(*parts):
        path = SHARED.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"needs {'/'.join(parts)}, which is not here")
        return path

    return find
