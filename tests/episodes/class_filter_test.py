import numpy as np
import pytest

from kerasmeta.episodes.class_filter import keep_classes

LABELS = ["cat", "dog", "eel", "cat", "eel"]


def test_keeps_the_examples_of_some_classes():
    assert keep_classes(LABELS).tolist() == [0, 1, 2, 3, 4]
    assert keep_classes(LABELS, ["eel", "cat"]).tolist() == [0, 2, 3, 4]
    assert keep_classes(LABELS, np.array(["dog"])).tolist() == [1]
    assert keep_classes([3, 1, 3], [3]).tolist() == [0, 2]


@pytest.mark.parametrize(
    "classes, words",
    [
        (["cat", "dgo"], "such as 'dog'.*1 that are not, such as 'dgo'"),
        ("cat", "a list of classes.*'cat'"),
        ([], "a list of classes"),
        (3, "a list of classes.*3"),
    ],
)
def test_what_are_no_classes_is_named(classes, words):
    with pytest.raises(ValueError, match=words):
        keep_classes(LABELS, classes)
