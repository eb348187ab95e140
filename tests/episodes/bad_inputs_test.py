"""What a wrong call of what makes episodes is told."""

import numpy as np
import pytest

import kerasmeta as km

SPEC = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
TASKS = km.episodes.EpisodeSpec(shots=1, queries=1)
X, Y = np.arange(24.0)[:, None], np.arange(24) % 4
PIXELS = np.ones([2, 3, 3])


def episodes(**options):
    return km.episodes.episodes_from_arrays(X, Y, SPEC, **options)


CALLS = {
    "no specs": (
        lambda: km.episodes.Curriculum([SPEC]),
        "`stages` must be a dictionary `first episode -> EpisodeSpec`. "
        f"Received: stages=[{SPEC}]",
    ),
    "a string for a size": (
        lambda: km.episodes.EpisodeSpec("5"),
        "`ways` must be an integer of at least 2. Received: ways='5'",
    ),
    "no shots for Meta-Dataset": (
        lambda: km.episodes.EpisodeSpec.meta_dataset(max_shots=0),
        "`max_shots` must be an integer of at least 1. Received: max_shots=0",
    ),
    "a tuple for a spec": (
        lambda: km.episodes.episodes_from_arrays(X, Y, (2, 1, 1)),
        "`spec` must be an `EpisodeSpec(ways=, shots=, queries=)`. "
        "Received: spec=(2, 1, 1)",
    ),
    "a generator for an array": (
        lambda: km.episodes.episodes_from_arrays((x for x in X), Y, SPEC),
        "`x` must be an array of real numbers. Pad or crop rows of different "
        "shapes, then `np.stack` them. Received: x.dtype=object",
    ),
    "complex numbers": (
        lambda: km.episodes.episodes_from_arrays(X + 1j, Y, SPEC),
        "`x` must be an array of real numbers. Make two channels of complex "
        "numbers. Received: x.dtype=complex128",
    ),
    "groups of other examples": (
        lambda: episodes(groups=[1]),
        "`groups` must name the group of each example. "
        "Received: 1 groups for 24 examples",
    ),
    "the name of an augmentation": (
        lambda: episodes(augment_support="flip"),
        "`augment_support` must be a function `(example, seed) -> example`, or "
        "`None`. Received: augment_support='flip'",
    ),
    "turned vectors": (
        lambda: episodes(class_rotations=True),
        "`class_rotations` turns square images [height, width, channels]. "
        "Received: examples of shape [(1,)]",
    ),
    "a list of tables": (
        lambda: km.episodes.episodes_from_tables(
            [X],
            km.episodes.EpisodeSpec(2, 1, 1, within_groups=True),
        ),
        "`tables` must be a dictionary `name -> (x, y)` of at least one table. "
        "Received: tables of type list",
    ),
    "images of 64 bits": (
        lambda: km.episodes.episodes_from_pixels(PIXELS.astype("int64"), TASKS),
        "`images` must be uint8 or floats, `[n, height, width]` or "
        "`[n, height, width, channels]`. Received: images of shape "
        "(2, 3, 3, 1) and dtype int64",
    ),
    "more pixels than there are": (
        lambda: km.episodes.episodes_from_pixels(
            PIXELS, km.episodes.EpisodeSpec(shots=10, queries=1)
        ),
        "Each task needs at least 11 examples, because support and query never "
        "overlap. Too small, with their number of examples: 0 (9), 1 (9). Use "
        'fewer shots or queries, or `small_classes="drop"` to leave them out, '
        'or "fewer_queries" to draw what they have. Received: shots=10, '
        "queries=1, small_classes='error'",
    ),
    "classes of pixels": (
        lambda: km.episodes.episodes_from_pixels(PIXELS, SPEC),
        "A regression task has no classes: leave `ways` out, "
        "`EpisodeSpec(shots=, queries=)`. Received: "
        f"spec={SPEC}",
    ),
    "an image without pixels": (
        lambda: km.episodes.pixel_coordinates(0, 3),
        "`height` must be an integer of at least 1. Received: height=0",
    ),
    "one text": (
        lambda: km.episodes.episodes_from_text("a text", ["a"], SPEC),
        "`texts` must be a list or vector of strings, one for each example, "
        "and not empty. Received: texts of shape () and type str",
    ),
    "a number for a file of texts": (
        lambda: km.episodes.text_episodes_from_file(None, SPEC),
        "`path` must be a file .csv or .tsv with a line of column names, or "
        ".jsonl with a JSON object in each line. Received: path='None'",
    ),
    "no folder of images": (
        lambda: km.episodes.image_episodes_from_directory(None, SPEC),
        "`directory` must be the path of a folder with a folder for each "
        "class. Received: directory=None",
    ),
    "no folder of recordings": (
        lambda: km.episodes.audio_episodes_from_directory("/nowhere", SPEC),
        "`directory` must be a folder with a folder for each class. "
        "Received: directory='/nowhere', which is not there",
    ),
    "one size of images": (
        lambda: km.episodes.image_episodes_from_directory(
            ".", SPEC, image_size=84
        ),
        "`image_size` must be a pair (height, width). Received: image_size=84",
    ),
    "an unknown kind of colours": (
        lambda: km.episodes.image_episodes_from_directory(
            ".", SPEC, color_mode="RGB"
        ),
        "`color_mode` must be one of 'grayscale', 'rgb', 'rgba'. "
        "Received: color_mode='RGB'",
    ),
    "a manifest of arrays": (
        lambda: km.episodes.manifest([1, 2]),
        "This needs a dataset as `episodes_from_*` or "
        "`*_episodes_from_directory` made it of examples, before any `.map`, "
        "`.take` or `.cache`, and not of a function. Received: [1, 2]",
    ),
    "a folder for a manifest": (
        lambda: km.episodes.Manifest.load("/"),
        "This is no manifest of episodes, or a damaged one. Copy it again, or "
        "make it anew with `manifest`. Received: path='/' "
        "(IsADirectoryError: [Errno 21] Is a directory: '/')",
    ),
    "a word for weights": (
        lambda: km.episodes.mix_episodes([episodes()], weights="a"),
        "`weights` must be positive numbers, one for each of the 1 datasets. "
        "Received: weights=a",
    ),
    "a function that is none": (
        lambda: km.episodes.episodes_from_function(None),
        "`task` must be a function of one seed `[seed, index]` that returns "
        "`(x, query_y)`. Received: task=None",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_told_how_to_be_right(name):
    call, message = CALLS[name]
    with pytest.raises(ValueError) as told:
        call()
    assert str(told.value) == message
