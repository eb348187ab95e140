import numpy as np
import pytest

from kerasmeta.episodes.class_index import ClassIndex


def ids_of(index, k):
    start, size = int(index.starts[k]), int(index.sizes[k])
    return index.ids[start : start + size].tolist()


@pytest.mark.parametrize("names", [[3, -7, 12], ["c", "a", "b"]])
def test_lists_the_examples_of_each_class_in_order(names):
    labels = np.array(names)[[0, 1, 0, 2, 1, 0]]
    index = ClassIndex(labels)
    assert index.names.tolist() == sorted(names)
    assert index.num_classes == 3
    for k, name in enumerate(index.names):
        assert ids_of(index, k) == np.flatnonzero(labels == name).tolist()
        assert index.class_name(k) == str(name)
    assert (index.names[index.classes] == labels).all()


def test_equal_labels_of_two_groups_are_two_classes():
    labels = ["a", "b", "a", "b", "a"]
    groups = ["y", "y", "x", "x", "x"]
    index = ClassIndex(labels, groups)
    assert [index.class_name(k) for k in range(4)] == [
        "x/a",
        "x/b",
        "y/a",
        "y/b",
    ]
    assert index.group_of_class.tolist() == [0, 0, 1, 1]
    assert [ids_of(index, k) for k in range(4)] == [[2, 4], [3], [0], [1]]
