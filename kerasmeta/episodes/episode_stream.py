"""The endless stream of episodes that a source, a spec and a seed make."""

from kerasmeta.episodes.augment import augment
from kerasmeta.episodes.augment import check_augment
from kerasmeta.episodes.candidates import Candidates
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.sampling import draw_episodes
from kerasmeta.episodes.source import load_nested
from kerasmeta.utils import check_seed

# Random numbers drawn at a time, so that they stay small in memory.
_MOST_KEYS = 2**18


class EpisodeStream:
    """Episodes as a pure function of their index.

    In two parts, so that which examples are drawn can be known, written down
    and drawn for many meta-batches at once without loading any.

    Args:
        source: `Source`.
        spec: `EpisodeSpec`.
        seed: Non-negative integer.
        augment_support: Optional function `(example, seed) -> example`.
        augment_query: Optional function, likewise.
    """

    def __init__(
        self, source, spec, seed=0, augment_support=None, augment_query=None
    ):
        _check_spec(spec, source)
        self.source = source
        self.spec = spec
        self.seed = check_seed(seed)
        self.augments = {
            "support": check_augment("augment_support", augment_support),
            "query": check_augment("augment_query", augment_query),
        }
        self.candidates = Candidates(source.class_index, spec)
        keys = self.candidates.num_class_keys + spec.max_ways * (
            self.candidates.num_example_keys + spec.examples_per_class
        )
        self.chunk = max(1, min(256, _MOST_KEYS // keys))

    def draw(self, indices):
        """Draw which examples the episodes of these indices have.

        Args:
            indices: int64 tensor `[B]`.

        Returns:
            A dictionary of tensors with leading axis `B`.
        """
        drawn = {"index": indices}
        episodes = draw_episodes(self.candidates, self.spec, self.seed, indices)
        for name, (ids, labels, mask) in zip(("support", "query"), episodes):
            drawn[f"{name}_ids"], drawn[f"{name}_y"] = ids, labels
            if mask is not None:
                drawn[f"{name}_mask"] = mask
        return drawn

    def load(self, drawn):
        """Return the episodes `(x, query_y)` that were drawn."""
        x = {}
        for salt, name in enumerate(("support", "query"), start=2):
            examples = load_nested(self.source.load, drawn[f"{name}_ids"])
            if self.augments[name] is not None:
                examples = augment(
                    self.augments[name],
                    examples,
                    self.seed,
                    drawn["index"],
                    salt,
                )
            x[f"{name}_x"] = examples
            if self.spec.varies:
                x[f"{name}_mask"] = drawn[f"{name}_mask"]
        x["support_y"] = self._labels(drawn, "support")
        return x, self._labels(drawn, "query")

    def _labels(self, drawn, name):
        if not self.spec.is_regression:
            return drawn[f"{name}_y"]
        return load_nested(self.source.load_targets, drawn[f"{name}_ids"])


def _check_spec(spec, source):
    if not isinstance(spec, EpisodeSpec):
        raise ValueError(
            "`spec` must be an `EpisodeSpec(ways=, shots=, queries=)`. "
            f"Received: spec={spec!r}"
        )
    if spec.is_regression and source.load_targets is None:
        raise ValueError(
            "These data have classes, so an episode needs a number of them: "
            f"`EpisodeSpec(ways=5, ...)`. Received: spec={spec}"
        )
    if not spec.is_regression and source.load_targets is not None:
        raise ValueError(
            "A regression task has no classes: leave `ways` out, "
            f"`EpisodeSpec(shots=, queries=)`. Received: spec={spec}"
        )


def get_stream(dataset):
    """Return the stream that a dataset of episodes was made from."""
    stream = getattr(dataset, "episode_stream", None)
    if stream is None:
        raise ValueError(
            "This needs a dataset as `episodes_from_*` or "
            "`*_episodes_from_directory` made it of examples, before any "
            "`.map`, `.take` or `.cache`, and not of a function. "
            f"Received: {dataset!r}"
        )
    return stream


def get_source_stream(dataset):
    """Return the stream of a dataset of episodes from one source."""
    stream = get_stream(dataset)
    if not isinstance(stream, EpisodeStream):
        raise ValueError(
            "This needs the episodes of one source, not a mixture: call it for "
            f"each of the datasets. Received: {dataset!r}"
        )
    return stream
