"""Does the test data leak into training, and are the inputs sound?"""

import dataclasses

import numpy as np

from kerasmeta.episodes.episode_stream import get_source_stream
from kerasmeta.episodes.scan import example_digest
from kerasmeta.episodes.scan import scan_examples


@dataclasses.dataclass(frozen=True)
class Audit:
    """What `audit` found. Print it to read it.

    Args:
        shared_classes: Names of classes that are on both sides.
        duplicates: Pairs `(train id, test id)` of examples of equal content.
        duplicates_within: For each side, pairs of equal examples of its own.
        constant: For each side, ids of examples of equal numbers only.
        not_finite: For each side, ids of examples with NaN or infinity.
        sizes: For each side, its numbers of classes and of examples.
    """

    shared_classes: list
    duplicates: list
    duplicates_within: dict
    constant: dict
    not_finite: dict
    sizes: dict

    @property
    def is_clean(self):
        """Whether nothing of the test is in training and all is finite."""
        return not (
            self.shared_classes
            or self.duplicates
            or any(self.not_finite.values())
        )

    def __str__(self):
        (a, n), (b, m) = self.sizes["train"], self.sizes["test"]
        lines = [
            f"train: {a} classes, {n} examples",
            f"test: {b} classes, {m} examples",
            _line("classes on both sides", self.shared_classes),
            _line("examples of the test that training has", self.duplicates),
        ]
        for side in ("train", "test"):
            for what in ("duplicates_within", "constant", "not_finite"):
                label = f"{side}: {what.replace('_', ' ')}"
                lines.append(_line(label, getattr(self, what)[side]))
        return "\n".join(lines)


def audit(train, test):
    """Look for overlap between training and test data, and for bad inputs.

    Use it before you believe a number: a class on both sides, or a copied
    image, makes few-shot accuracy too good. All examples are read once and
    compared by a hash of their content, exactly.

    Args:
        train: Dataset of training episodes, made by `episodes_from_*`.
        test: Dataset of test episodes, likewise.

    Returns:
        An `Audit`, which prints as a report.

    Raises:
        ValueError: If a dataset is not as `kerasmeta.episodes` made it.

    Example:

    >>> x, y = np.arange(40.0)[:, None], np.arange(40) // 10
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=3)
    >>> train = km.episodes.episodes_from_arrays(x[:20], y[:20], spec)
    >>> x[25] = x[7]
    >>> test = km.episodes.episodes_from_arrays(x[20:], y[20:], spec)
    >>> km.episodes.audit(train, test).duplicates
    [(7, 5)]
    """
    sources = {
        "train": get_source_stream(train).source,
        "test": get_source_stream(test).source,
    }
    names = {side: _class_names(source) for side, source in sources.items()}
    seen = {side: _scan(source) for side, source in sources.items()}
    first = {side: _first_ids(seen[side]["hashes"]) for side in seen}
    return Audit(
        shared_classes=sorted(names["train"] & names["test"]),
        duplicates=[
            (first["train"][key], i)
            for i, key in enumerate(seen["test"]["hashes"])
            if key in first["train"]
        ],
        duplicates_within={
            side: [
                (first[side][key], i)
                for i, key in enumerate(seen[side]["hashes"])
                if first[side].get(key, i) != i
            ]
            for side in seen
        },
        constant={side: seen[side]["constant"] for side in seen},
        not_finite={side: seen[side]["not_finite"] for side in seen},
        sizes={
            side: (source.class_index.num_classes, source.num_examples)
            for side, source in sources.items()
        },
    )


def _class_names(source):
    index = source.class_index
    return {index.class_name(i) for i in range(index.num_classes)}


def _scan(source):
    """Return hash of every example, and which are constant or not finite."""
    hashes, constant, not_finite = [], [], []
    for i, example in scan_examples(source):
        if example is None:
            not_finite.append(i)
            hashes.append(None)
            continue
        hashes.append(example_digest(example))
        numbers = [np.asarray(leaf) for leaf in example]
        numbers = [leaf for leaf in numbers if leaf.dtype.kind in "iuf"]
        size = sum(leaf.size for leaf in numbers)
        if size > 1 and all(np.ptp(leaf) == 0 for leaf in numbers):
            constant.append(i)
        if not all(np.isfinite(leaf).all() for leaf in numbers):
            not_finite.append(i)
    return {"hashes": hashes, "constant": constant, "not_finite": not_finite}


def _first_ids(hashes):
    """Return the first example of each content that is known."""
    first = {}
    for i, key in enumerate(hashes):
        if key is not None:
            first.setdefault(key, i)
    return first


def _line(label, found):
    if not found:
        return f"{label}: none"
    shown = ", ".join(map(str, found[:5]))
    return f"{label}: {len(found)} ({shown}{', ...' if found[5:] else ''})"
