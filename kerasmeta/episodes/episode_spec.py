"""How large an episode is."""

import dataclasses

from kerasmeta.utils import check_positive_int


@dataclasses.dataclass(frozen=True)
class EpisodeSpec:
    """The size of an N-way K-shot episode.

    An episode is one small classification task: `ways` classes, `shots`
    labelled examples of each to learn from (the support set) and `queries`
    other examples of each to be judged on (the query set).

    Args:
        ways: Number of classes in an episode, 2 or more.
        shots: Number of support examples of each class, 1 or more.
        queries: Number of query examples of each class, 1 or more.

    Raises:
        ValueError: If a size is not an integer or too small.

    Example:

    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=15)
    >>> spec.support_size, spec.query_size
    (5, 75)
    """

    ways: int
    shots: int
    queries: int

    def __post_init__(self):
        for name, minimum in (("ways", 2), ("shots", 1), ("queries", 1)):
            size = check_positive_int(name, getattr(self, name), minimum)
            # Frozen, but an `np.int8` would overflow in `query_size`.
            object.__setattr__(self, name, size)

    @property
    def support_size(self):
        """Number of support examples in an episode, `ways * shots`."""
        return self.ways * self.shots

    @property
    def query_size(self):
        """Number of query examples in an episode, `ways * queries`."""
        return self.ways * self.queries

    @property
    def examples_per_class(self):
        """Number of examples drawn of each class, `shots + queries`."""
        return self.shots + self.queries
