"""Frozen episodes as a file, to compare algorithms on the same tasks."""

import dataclasses
import hashlib
import json

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.episode_stream import EpisodeStream
from kerasmeta.episodes.episode_stream import get_source_stream
from kerasmeta.episodes.manifest_checks import check_manifest
from kerasmeta.episodes.pipeline import stream_dataset
from kerasmeta.episodes.scan import example_digests
from kerasmeta.utils import check_positive_int

_FORMAT = "kerasmeta episodes 1"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Which examples each of a number of frozen episodes has.

    Use it to judge two algorithms, or two libraries, on the very same tasks:
    made once with `manifest`, written with `save`, read with `load`. The file
    is an `.npz` without pickles: a JSON text `about` (spec, seed, number of
    examples, content hash) and integer arrays `support_ids` `[E, S]`,
    `support_y`, `query_ids` `[E, Q]`, `query_y`, and masks where episodes are
    padded; ids count the examples in the order of the data.

    Args:
        about: Dictionary with `"format"`, `"spec"`, `"seed"`,
            `"num_examples"` and `"sha256"` of the examples drawn.
        arrays: Dictionary of the arrays.
    """

    about: dict
    arrays: dict

    def save(self, path):
        """Write the manifest to `path`, such as `"test_episodes.npz"`."""
        with open(path, "wb") as file:
            about = np.array(json.dumps(self.about))
            np.savez_compressed(file, about=about, **self.arrays)

    @classmethod
    def load(cls, path):
        """Read a manifest.

        Raises:
            ValueError: If the file is no manifest.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            about = json.loads(str(arrays.pop("about")))
            known = about["format"] == _FORMAT
            if known:
                check_manifest(about, arrays)
        except FileNotFoundError:
            raise
        # Of a damaged file, NumPy raises whatever its parsers do.
        except Exception as error:
            raise ValueError(
                "This is no manifest of episodes, or a damaged one. Copy it "
                "again, or make it anew with `manifest`. Received: "
                f"path={str(path)!r} ({type(error).__name__}: {error})"
            ) from error
        if not known:
            raise ValueError(
                f"The manifest must be of the format {_FORMAT!r}. "
                f"Received: {about['format']!r} in {str(path)!r}"
            )
        return cls(about, arrays)

    def episodes(self, dataset, batch_size=4):
        """Return the frozen episodes, with the examples of `dataset`.

        Args:
            dataset: Any dataset of episodes made from the same data.
            batch_size: Number of episodes in a meta-batch.

        Raises:
            ValueError: If the data are not those of the manifest.
        """
        source = get_source_stream(dataset).source
        stream = _FrozenStream(
            source, EpisodeSpec(**self.about["spec"]), self.about["seed"]
        )
        if source.num_examples != self.about["num_examples"]:
            raise ValueError(
                "The manifest is of other data: it counts "
                f"{self.about['num_examples']} examples. Received: a dataset "
                f"of {source.num_examples}"
            )
        stream.arrays = {
            name: tf.constant(array) for name, array in self.arrays.items()
        }
        if _content_hash(source, self.arrays) != self.about["sha256"]:
            raise ValueError(
                "The manifest is of other data: the contents of the examples "
                "differ from those that it was made from. Received: a dataset "
                f"of {source.name!r}"
            )
        return stream_dataset(
            stream, batch_size, num_episodes=len(self.arrays["query_y"])
        )


class _FrozenStream(EpisodeStream):
    """Episodes that were drawn long ago."""

    def draw(self, indices):
        drawn = {n: tf.gather(a, indices) for n, a in self.arrays.items()}
        return {"index": indices, **drawn}


def manifest(dataset, num_episodes=None):
    """Write down which examples the episodes of a dataset have.

    Args:
        dataset: Dataset made by `episodes_from_*`, with a fixed number of
            episodes.
        num_episodes: How many of them, from the first; needed for an endless
            dataset.

    Returns:
        A `Manifest`.

    Raises:
        ValueError: If the dataset is endless and `num_episodes` is not given,
            or is not as `kerasmeta.episodes` made it.

    Example:

    >>> import tempfile, os
    >>> x, y = np.arange(40.0)[:, None], np.arange(40) % 4
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=3)
    >>> test = km.episodes.episodes_from_arrays(x, y, spec, num_episodes=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "test_episodes.npz")
    ...     km.episodes.manifest(test).save(path)
    ...     frozen = km.episodes.Manifest.load(path).episodes(test)
    >>> len(frozen), frozen.element_spec == test.element_spec
    (2, True)
    """
    stream = get_source_stream(dataset)
    if any(stream.augments.values()):
        raise ValueError(
            "A manifest says which examples episodes have, and not how they "
            "were changed: leave augmentation out of test episodes. Received: "
            "a dataset with `augment_support` or `augment_query`"
        )
    indices = _first(dataset.episode_indices, num_episodes)
    batches = indices.batch(stream.chunk).map(stream.draw)
    drawn = [
        {n: t.numpy() for n, t in batch.items() if n != "index"}
        for batch in batches
    ]
    arrays = {
        name: np.concatenate([batch[name] for batch in drawn])
        for name in drawn[0]
    }
    about = {
        "format": _FORMAT,
        "spec": stream.spec.as_plain(),
        "seed": stream.seed,
        "num_examples": stream.source.num_examples,
        "sha256": _content_hash(stream.source, arrays),
    }
    return Manifest(about, arrays)


def _first(indices, num_episodes):
    """Return the indices of so many episodes, or raise if there are fewer."""
    have = indices.cardinality().numpy()
    is_endless = have == tf.data.INFINITE_CARDINALITY
    if num_episodes is None and is_endless:
        raise ValueError(
            "A manifest holds a number of episodes, and this dataset is "
            "endless: pass `num_episodes=`. Received: num_episodes=None"
        )
    if num_episodes is None:
        return indices
    num_episodes = check_positive_int("num_episodes", num_episodes)
    if not is_endless and have < num_episodes:
        raise ValueError(
            f"The dataset must have at least `num_episodes` episodes. "
            f"Received: num_episodes={num_episodes}, a dataset of {have}"
        )
    return indices.take(num_episodes)


def _content_hash(source, arrays):
    """Return the hash of all examples that are drawn, in order of ids."""
    used = np.unique(
        np.concatenate([arrays["support_ids"], arrays["query_ids"]], axis=1)
    )
    total = hashlib.sha256()
    for digest in example_digests(source, used):
        total.update(digest)
    return total.hexdigest()
