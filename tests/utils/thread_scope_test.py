import threading

import pytest

from kerasmeta.utils.thread_scope import ThreadScope


def test_scopes_nest_and_survive_errors():
    scope = ThreadScope(0)
    with scope.holding(1) as held:
        assert held == scope.value == 1
        with pytest.raises(RuntimeError), scope.holding(2):
            assert scope.value == 2
            raise RuntimeError
        assert scope.value == 1
    assert scope.value == 0


def test_other_threads_and_scopes_have_their_own():
    scope, other = ThreadScope(0), ThreadScope(0)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(scope.value))
    with scope.holding(1):
        thread.start()
        thread.join()
        assert other.value == 0
    assert seen == [0]
