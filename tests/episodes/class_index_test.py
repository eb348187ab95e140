import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes.class_index import ClassIndex


def ids_of(index, k):
    start, size = int(index.starts[k]), int(index.sizes[k])
    return index.ids[start : start + size].numpy().tolist()


@pytest.mark.parametrize("names", [[3, -7, 12], ["c", "a", "b"]])
def test_lists_the_examples_of_each_class_in_order(names):
    labels = np.array(names)[[0, 1, 0, 2, 1, 0]]
    index = ClassIndex(labels)
    assert index.names.tolist() == sorted(names)
    assert index.num_classes == 3
    assert index.longest == 3
    for k, name in enumerate(index.names):
        assert ids_of(index, k) == np.flatnonzero(labels == name).tolist()


def test_spec_that_just_fits():
    ClassIndex(np.repeat(np.arange(5), 4)).check_spec(EpisodeSpec(5, 1, 3))


def test_too_few_classes():
    with pytest.raises(ValueError) as error:
        ClassIndex(np.repeat(np.arange(4), 9)).check_spec(EpisodeSpec(5, 1, 3))
    assert str(error.value) == (
        "An episode needs 5 classes, and the labels have 4. Use fewer ways or "
        "more classes. Received: ways=5"
    )


def test_too_few_examples_names_the_classes():
    labels = ["cat"] * 3 + ["dog"] * 4 + ["eel"] * 2
    with pytest.raises(ValueError) as error:
        ClassIndex(labels).check_spec(EpisodeSpec(2, 1, 3))
    assert str(error.value) == (
        "Each class needs at least shots + queries = 4 examples, because "
        "support and query never overlap. Too small, with their number of "
        "examples: cat (3), eel (2). Remove these classes, or use fewer shots "
        "or queries. Received: shots=1, queries=3"
    )


def test_many_small_classes_are_not_all_listed():
    with pytest.raises(ValueError, match=r" 9 \(1\) and 90 more\. Remove"):
        ClassIndex(np.arange(100)).check_spec(EpisodeSpec(2, 1, 1))
