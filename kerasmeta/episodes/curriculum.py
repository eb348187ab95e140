"""A spec that changes while training goes on."""

import dataclasses

import tensorflow as tf

from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.utils import check_positive_int

_SIZES = ("ways", "shots", "queries")


class Curriculum(EpisodeSpec):
    """An `EpisodeSpec` that changes with the index of the episode.

    Use it to begin with easy tasks. All stages are padded to the largest, so
    that nothing is traced anew when a stage begins. An outer step consumes
    `batch_size` episodes: stage `i` begins at step `index / batch_size`.

    Args:
        stages: Dictionary `index of the first episode -> EpisodeSpec`, which
            begins with 0. The specs may differ in `ways`, `shots` and
            `queries`, and must agree in everything else.

    Raises:
        ValueError: If the stages do not begin with 0 or do not agree.

    Example:

    >>> spec = km.episodes.Curriculum({
    ...     0: km.episodes.EpisodeSpec(ways=5, shots=5, queries=5),
    ...     1000: km.episodes.EpisodeSpec(ways=20, shots=1, queries=5),
    ... })
    >>> spec.ways, spec.shots, spec.support_size
    ((5, 20), (1, 5), 25)
    """

    def __init__(self, stages):
        stages = _check_stages(stages)
        specs = list(stages.values())
        fields = specs[0].as_plain()
        for name in _SIZES:
            if fields[name] is not None:
                lows, highs = zip(*(spec.ranges(name) for spec in specs))
                fields[name] = (min(lows), max(highs))
        super().__init__(**fields)
        object.__setattr__(self, "stages", stages)

    def __eq__(self, other):
        return isinstance(other, Curriculum) and self.stages == other.stages

    def __hash__(self):
        return hash(tuple(self.stages.items()))

    def __repr__(self):
        return f"Curriculum({self.stages})"

    @property
    def support_size(self):
        """Number of support examples of the largest stage."""
        return max(spec.support_size for spec in self.stages.values())

    @property
    def query_size(self):
        """Number of query examples of the largest stage."""
        return max(spec.query_size for spec in self.stages.values())

    def ranges(self, name, indices=None):
        """Return `(low, high)` over all stages, or `[B, 1]` for episodes."""
        if indices is None:
            return super().ranges(name)
        firsts = tf.constant(list(self.stages), "int64")
        stage = tf.searchsorted(firsts, indices, side="right") - 1
        table = tf.constant(
            [spec.ranges(name) for spec in self.stages.values()]
        )
        low, high = tf.unstack(tf.gather(table, stage), axis=1)
        return low[:, None], high[:, None]

    @property
    def least_ways(self):
        """Number of classes that a group must have in every stage."""
        return max(spec.least_ways for spec in self.stages.values())


def _check_stages(stages):
    if not isinstance(stages, dict) or not stages:
        raise ValueError(
            "`stages` must be a dictionary `first episode -> EpisodeSpec`. "
            f"Received: stages={stages!r}"
        )
    for spec in stages.values():
        if type(spec) is not EpisodeSpec:
            raise ValueError(
                f"Each stage must be an `EpisodeSpec`. Received: {spec!r}"
            )
    stages = {
        check_positive_int("stages", first, minimum=0): spec
        for first, spec in sorted(stages.items())
    }
    if min(stages) != 0:
        raise ValueError(
            "The first stage must begin with episode 0. "
            f"Received: stages that begin with {list(stages)}"
        )
    rules = {
        dataclasses.replace(
            spec, ways=None if spec.is_regression else 2, shots=1, queries=1
        )
        for spec in stages.values()
    }
    if len(rules) > 1 or next(iter(rules)).rule == "meta_dataset":
        raise ValueError(
            "Stages may differ in ways, shots and queries only, and must "
            f'have the rule "uniform". Received: stages={stages}'
        )
    return stages
