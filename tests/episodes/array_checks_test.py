"""Every bad input, and what the user reads."""

import re

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays
from kerasmeta.episodes.array_checks import check_arrays
from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.array_checks import decode_labels

X = np.arange(60.0).reshape(20, 3)
Y = np.repeat([10, 20, 30, 40], 5)
SPEC = EpisodeSpec(ways=4, shots=1, queries=4)


def with_value(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


def objects(values):
    return np.array(values, dtype=object)


SHAPE = (
    "`x` must have a shape [num_examples, ...], with one number or more for "
    "each example. If it is a vector, use `x[:, None]`. Received: x.shape="
)
LENGTH = "`x` must have as many examples as there are labels, 20. "
LABELS = "`y` must hold classes, integers or strings. Drop examples without a "
VECTOR = (
    "`y` must be a vector with the class of each example, and not empty. "
    "One-hot labels: use `y.argmax(-1)`. Received: y.shape="
)
NUMBERS = "`x` must be an array of real numbers. "

BAD = {
    # Sizes that do not match.
    "x shorter than y": (
        dict(x=X[:19]),
        LENGTH + "(Several inputs: give a dictionary or a tuple of arrays, not "
        "a list.) Received: x.shape=(19, 3)",
    ),
    "y shorter than x": (dict(y=Y[:19]), "labels, 19. .*x.shape=(20, 3)"),
    "x a list of inputs": (
        dict(x=[X, X]),
        LENGTH + ".*not a list.*x.shape=(2, 20, 3)",
    ),
    "leaf of a dictionary": (
        dict(x={"image": X, "text": X[:7]}),
        "`x['text']` must have as many examples as there are labels, 20.*"
        "Received: x['text'].shape=(7, 3)",
    ),
    "leaf of a nest": (
        dict(x=(X, {"a": X[:, 0]})),
        "`x[1]['a']` must have a shape.*`x[1]['a'][:, None]`.*=(20,)",
    ),
    "x without leaves": (
        dict(x={}),
        "`x` must hold at least one array. Received: x={}",
    ),
    # Shapes.
    "x a vector": (dict(x=X[:, 0]), SHAPE + "(20,)"),
    "x a number": (dict(x=3.0), SHAPE + "()"),
    "x without features": (dict(x=X[:, :0]), SHAPE + "(20, 0)"),
    "x empty": (dict(x=X[:0]), SHAPE + "(0, 3)"),
    "y empty": (dict(x=X[:0], y=Y[:0]), VECTOR + "(0,)"),
    "y a number": (dict(y=3), VECTOR + "()"),
    "y one-hot": (dict(y=np.eye(4)[Y // 10 - 1]), VECTOR + "(20, 4)"),
    # Values of x.
    "x NaN": (
        dict(x=with_value(X, ([4, 7, 7], [0, 1, 2]), np.nan)),
        "`x` must hold finite float32 numbers. Impute or remove the others "
        "first. Received: NaN or infinity in 2 of 20 examples, first in x[4]",
    ),
    "x infinity": (dict(x=with_value(X, (0, 0), -np.inf)), "1 of 20.*x[0]"),
    "x too large": (dict(x=with_value(X, (9, 0), 1e39)), "float32.*x[9]"),
    "x NaN in float16": (
        dict(x={"a": with_value(np.float16(X), (2, 0), np.nan)}),
        "`x['a']` must hold finite.*first in x['a'][2]",
    ),
    "x strings": (
        dict(x=X.astype(str)),
        NUMBERS + "Encode strings first: see `keras.layers.TextVectorization`. "
        "Received: x.dtype=<U32",
    ),
    "x bytes": (dict(x=X.astype("S")), NUMBERS + "Encode strings first"),
    "x complex": (
        dict(x=X + 1j),
        NUMBERS + "Make two channels of complex numbers. "
        "Received: x.dtype=complex128",
    ),
    "x ragged": (
        dict(x=[[1.0] * (1 + i % 2) for i in range(20)]),
        NUMBERS + "Pad or crop rows of different shapes, then `np.stack` them. "
        "Received: x.dtype=object",
    ),
    "x ragged images": (
        dict(x=[np.zeros((9, 9 + i % 2)) for i in range(20)]),
        NUMBERS + "Pad or crop",
    ),
    "x objects": (dict(x=X.astype(object)), NUMBERS + ".*x.dtype=object"),
    "x missing": (dict(x=None), NUMBERS + ".*x.dtype=object"),
    "x dates": (
        dict(x=X.astype("datetime64[s]")),
        NUMBERS + "Convert them with `.astype('float32')`. "
        "Received: x.dtype=datetime64[s]",
    ),
    # Values of y.
    "y measurements": (
        dict(y=Y + 0.5),
        LABELS + "class, and sort measurements into classes. Received: 20 of "
        "20 values of dtype float64 that are not, such as 10.5",
    ),
    "y NaN": (
        dict(y=with_value(Y.astype(float), 3, np.nan)),
        LABELS + ".*1 of 20 values of dtype float64.*such as nan",
    ),
    "y infinite": (
        dict(y=with_value(Y.astype(float), 3, np.inf)),
        LABELS + ".*1 of 20.*such as inf",
    ),
    "y missing": (dict(y=None), VECTOR + "()"),
    "y with a gap": (
        dict(y=objects(["a", None] * 10)),
        LABELS + ".*10 of 20 values of dtype object.*such as None in y[1]",
    ),
    "y of two kinds": (
        dict(y=objects([7] * 12 + ["b"] + [7] * 7)),
        LABELS + ".*1 of 20 values.*such as 'b' in y[12]",
    ),
    "y a list of two kinds": (
        dict(y=[*"aaa", 3, *"bbb"]),
        LABELS + ".*1 of 7 values.*such as 3 in y[3]",
    ),
    "y truth and numbers": (dict(y=objects([True, 1] * 10)), LABELS + ".*y[1]"),
    "y fractions": (dict(y=objects([1, 1.5] * 10)), LABELS + ".*1.5 in y[1]"),
    "y huge": (dict(y=objects([0, 2**63] * 10)), LABELS + ".*in y[1]"),
    "y with NUL": (
        dict(y=["a", "a\0"] * 10),
        "must not end in the character NUL.*Received: 'a\\x00' in y[1]",
    ),
    "y bytes with NUL": (
        dict(y=objects([b"a", b"a\0"] * 10)),
        "NUL.*Received: b'a\\x00' in y[1]",
    ),
    "y complex": (dict(y=Y + 0j), LABELS + ".*complex128"),
    "y ragged": (
        dict(y=[[1] * (1 + i % 2) for i in range(20)]),
        LABELS + ".*dtype object that are not, such as [1]",
    ),
    # Too little data.
    "ways": (
        dict(spec=EpisodeSpec(5, 1, 1)),
        "An episode needs 5 classes, and the data have 4 of at least 2 "
        "examples. Use fewer ways or more classes. Received: ways=5",
    ),
    "examples": (
        dict(y=with_value(Y, 0, 20)),
        "at least 5 examples.*10 (4).*shots=1, queries=4",
    ),
    # Other arguments.
    "spec": (
        dict(spec=(5, 1, 15)),
        "`spec` must be an `EpisodeSpec(ways=, shots=, queries=)`. "
        "Received: spec=(5, 1, 15)",
    ),
    "seed negative": (dict(seed=-1), "`seed` must be .* Received: seed=-1"),
    "seed float": (dict(seed=0.5), "`seed` must be .* Received: seed=0.5"),
    "seed huge": (
        dict(seed=2**63),
        f"`seed` must be smaller than 2**63. Received: seed={2**63}",
    ),
}
for size in (0, True, 2.5, "4", -1):
    for argument in ("batch_size", "num_episodes"):
        BAD[f"{argument} {size!r}"] = (
            {argument: size},
            f"`{argument}` must be an integer of at least 1. "
            f"Received: {argument}={size!r}",
        )
BAD["batch_size None"] = (
    dict(batch_size=None),
    "`batch_size` must be an integer of at least 1. Received: batch_size=None",
)


def says(message):
    """Return a pattern of this text, where `.*` is any other text."""
    return ".*".join(map(re.escape, message.split(".*")))


@pytest.mark.parametrize("row", BAD)
def test_bad_input(row):
    kwargs, message = BAD[row]
    kwargs = {"x": X, "y": Y, "spec": SPEC, **kwargs}
    with pytest.raises(ValueError, match=says(message)):
        episodes_from_arrays(**kwargs)


@pytest.mark.parametrize(
    "labels, expected",
    [
        ([3, 1, 2], [3, 1, 2]),
        ([-1, 0, 1], [-1, 0, 1]),
        ([1.0, 2.0, -3.0], [1, 2, -3]),
        ([True, False], [True, False]),
        (["a", "ä", ""], ["a", "ä", ""]),
        ([b"a", b"b"], [b"a", b"b"]),
        (objects(["a", "bc"]), ["a", "bc"]),
        (objects([["a"], ["bc"]]), ["a", "bc"]),
        (objects([3, np.int8(4), 5.0]), [3, 4, 5]),
        (objects([True, False]), [True, False]),
        (objects(["a\0b", "a"]), ["a\0b", "a"]),
        (tf.constant(["a", "ä"]), [b"a", "ä".encode()]),
        (np.uint8([[7], [9]]), [7, 9]),
        (tf.constant([5, 6]), [5, 6]),
    ],
)
def test_good_labels(labels, expected):
    labels = check_labels(labels)
    assert labels.tolist() == expected
    assert labels.dtype != object


def test_bytes_are_decoded():
    labels = decode_labels(np.array(["ä".encode(), b"b"]))
    assert labels.tolist() == ["ä", "b"]
    assert decode_labels(Y) is Y
    with pytest.raises(ValueError, match=r"UTF-8.*b'\\xe4' in key\[1\]"):
        decode_labels(np.array([b"a", b"\xe4"]), "key")


def test_arrays_keep_their_structure():
    x = {"a": X, "b": (X[:, :1], [[1, 2]] * 20)}
    arrays = check_arrays(x, 20)
    tf.nest.assert_same_structure(arrays, {"a": 0, "b": (0, 0)})
    assert arrays["b"][1].shape == (20, 2)


def test_only_wide_floats_are_converted():
    for dtype in ("bool", "uint8", "int64", "float16", "float32"):
        assert check_arrays(X.astype(dtype), 20).dtype == dtype
    for dtype in ("float64", np.longdouble):
        assert check_arrays(X.astype(dtype), 20).dtype == "float32"


def test_large_finite_numbers_pass():
    largest = np.finfo("float32").max
    assert check_arrays(np.full((20, 1), float(largest)), 20).max() == largest
