import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes.candidates import Candidates
from kerasmeta.episodes.class_index import ClassIndex

ANIMALS = ["cat"] * 3 + ["dog"] * 4 + ["eel"] * 2 + ["fly"] * 9


def candidates(labels, spec, groups=None):
    return Candidates(ClassIndex(labels, groups), spec)


def test_spec_that_just_fits():
    found = candidates(np.repeat(np.arange(5), 4), EpisodeSpec(5, 1, 3))
    assert found.sizes.numpy().tolist() == [4] * 5
    assert (found.num_groups, found.most_classes) == (1, 5)
    assert (found.num_class_keys, found.num_example_keys) == (5, 4)


def test_a_few_of_many_need_few_random_numbers():
    found = candidates(np.repeat(np.arange(200), 70), EpisodeSpec(5, 1, 1))
    assert (found.num_class_keys, found.num_example_keys) == (10, 4)
    # All of a class of unknown size may be needed.
    spec = EpisodeSpec(5, 1, (1, 70), small_classes="fewer_queries")
    labels = np.repeat(np.arange(200), 70)
    assert candidates(labels, spec).num_example_keys == 70


def test_too_few_classes():
    with pytest.raises(ValueError) as error:
        candidates(np.repeat(np.arange(4), 9), EpisodeSpec(5, 1, 3))
    assert str(error.value) == (
        "An episode needs 5 classes, and the data have 4 of at least 4 "
        "examples. Use fewer ways or more classes. Received: ways=5"
    )


def test_too_few_examples_names_the_classes():
    with pytest.raises(ValueError) as error:
        candidates(ANIMALS, EpisodeSpec(2, 1, 3))
    assert str(error.value) == (
        "Each class needs at least 4 examples, because support and query never "
        "overlap. Too small, with their number of examples: cat (3), eel (2). "
        'Use fewer shots or queries, or `small_classes="drop"` to leave them '
        'out, or "fewer_queries" to draw what they have. '
        "Received: shots=1, queries=3, small_classes='error'"
    )


def test_many_small_classes_are_not_all_listed():
    with pytest.raises(ValueError, match=r" 9 \(1\) and 90 more\. Use"):
        candidates(np.arange(100), EpisodeSpec(2, 1, 1))


def test_drop():
    spec = EpisodeSpec(2, 1, 3, small_classes="drop")
    assert candidates(ANIMALS, spec).sizes.numpy().tolist() == [4, 9]
    with pytest.raises(ValueError, match="the data have 2 of at least 4"):
        candidates(ANIMALS, EpisodeSpec(3, 1, 3, small_classes="drop"))


def test_fewer_queries_still_needs_one():
    spec = EpisodeSpec(2, 2, 9, small_classes="fewer_queries")
    with pytest.raises(ValueError) as error:
        candidates(ANIMALS, spec)
    assert "at least 3 examples" in str(error.value)
    assert "eel (2)" in str(error.value)
    assert "cat" not in str(error.value)
    spec = EpisodeSpec(2, 1, 9, small_classes="fewer_queries")
    assert len(candidates(ANIMALS, spec).sizes) == 4


def test_groups_too_small_are_never_drawn():
    groups = np.repeat(["x", "y", "z"], [7, 2, 9])  # "z" has one class.
    spec = EpisodeSpec(2, 1, 1, within_groups=True, small_classes="drop")
    found = candidates(ANIMALS, spec, groups)
    assert found.num_groups == 1
    assert found.sizes.numpy().tolist() == [3, 4]


def test_small_groups_are_named():
    groups = np.repeat(["x", "y"], [9, 9])  # "y" has one class.
    with pytest.raises(ValueError) as error:
        candidates(ANIMALS, EpisodeSpec(2, 1, 1, within_groups=True), groups)
    assert str(error.value) == (
        "Each group needs at least 2 classes. Too small, with their number of "
        'classes: y (1). Use fewer ways, or `small_classes="drop"` to leave '
        "them out. Received: ways=2"
    )


def test_ranges_must_end_where_the_classes_do():
    with pytest.raises(ValueError, match="Use a range that ends at 4"):
        candidates(ANIMALS, EpisodeSpec((2, 9), 1, 1))
    # The rule of Meta-Dataset takes what there is.
    found = candidates(ANIMALS, EpisodeSpec.meta_dataset((2, 9)))
    assert found.most_classes == 4


def test_meta_dataset_needs_two_examples():
    with pytest.raises(ValueError) as error:
        candidates([*ANIMALS, "gnu"], EpisodeSpec.meta_dataset((2, 9)))
    message = str(error.value)
    assert "at least 2 examples" in message and "gnu (1)" in message
    assert "fewer shots" not in message
    spec = EpisodeSpec.meta_dataset((2, 9), small_classes="drop")
    assert candidates([*ANIMALS, "gnu"], spec).most_classes == 4


def test_groups_of_too_few_classes():
    groups = np.repeat(["x", "y"], [7, 11])
    with pytest.raises(ValueError) as error:
        candidates(ANIMALS, EpisodeSpec(3, 1, 1, within_groups=True), groups)
    assert str(error.value).startswith(
        "An episode needs 3 classes, and the largest group has 2"
    )


def test_groups_must_be_known():
    with pytest.raises(ValueError, match="Pass `groups=`"):
        candidates(ANIMALS, EpisodeSpec(2, 1, 1, within_groups=True))


def test_regression_names_the_task():
    with pytest.raises(ValueError, match=r"Each task needs .* eel \(2\)"):
        candidates(ANIMALS, EpisodeSpec(shots=2, queries=1))
    with pytest.raises(ValueError, match="4 tasks of at most 9 examples"):
        spec = EpisodeSpec(shots=9, queries=9, small_classes="drop")
        candidates(ANIMALS, spec)
