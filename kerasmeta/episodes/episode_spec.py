"""How large an episode is, and by what rule it is drawn."""

import dataclasses

from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int

SMALL_CLASSES = ("error", "drop", "fewer_queries")


@dataclasses.dataclass(frozen=True)
class EpisodeSpec:
    """The size of an episode, and the rule by which it is drawn.

    An episode is one small task. In classification it has `ways` classes,
    `shots` labelled examples of each to learn from (the support set) and
    `queries` other examples of each to be judged on (the query set). Without
    `ways` it is a regression task: `shots` and `queries` examples of one group.

    A size is an integer, or a pair `(low, high)` from which each episode draws
    its own, both ends included. Episodes that vary are padded to the largest
    size, and have masks that mark what is real: see `episodes_from_arrays`.
    Within groups, an episode has at most as many ways as its group has classes.

    Args:
        ways: Number of classes in an episode, 2 or more, or `None` for
            regression.
        shots: Number of support examples of each class, 1 or more.
        queries: Number of query examples of each class, 1 or more.
        unbalanced: Whether each class of an episode draws its own numbers of
            shots and queries, instead of one for all classes.
        within_groups: Whether all classes of an episode come from one group,
            such as an alphabet; the source must know the groups.
        small_classes: What to do with classes that have fewer examples than
            the largest `shots + queries`. `"error"`: raise, and list them.
            `"drop"`: never draw them. `"fewer_queries"`: draw them with as
            many queries as they have left after the shots.
        rule: `"uniform"`, or `"meta_dataset"` as in the class method.
        max_support_size: Most support examples in an episode, for that rule.

    Raises:
        ValueError: If a size is no integer, too small, or a pair that is not
            ordered.

    Example:

    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=15)
    >>> spec.support_size, spec.query_size
    (5, 75)
    >>> km.episodes.EpisodeSpec(ways=(2, 10), shots=(1, 5), queries=4).varies
    True
    """

    ways: int | tuple[int, int] | None = None
    shots: int | tuple[int, int] = 1
    queries: int | tuple[int, int] = 15
    unbalanced: bool = False
    within_groups: bool = False
    small_classes: str = "error"
    rule: str = "uniform"
    max_support_size: int | None = None

    def __post_init__(self):
        for name, minimum in (("ways", 2), ("shots", 1), ("queries", 1)):
            value = getattr(self, name)
            if name == "ways" and value is None:
                continue
            # Frozen, but an `np.int8` would overflow in `query_size`.
            object.__setattr__(self, name, _check_size(name, value, minimum))
        check_choice("small_classes", self.small_classes, SMALL_CLASSES)
        check_choice("rule", self.rule, ("uniform", "meta_dataset"))
        if (self.rule == "meta_dataset") != (self.max_support_size is not None):
            raise ValueError(
                '`rule="meta_dataset"` and `max_support_size` belong together: '
                "use `EpisodeSpec.meta_dataset(...)`. Received: "
                f"rule={self.rule!r}, max_support_size={self.max_support_size}"
            )
        if self.ways is None and self.within_groups:
            raise ValueError(
                "`within_groups` is for classes, and a spec without `ways` has "
                "none: each of its tasks is one group already. "
                f"Received: ways={self.ways}, within_groups=True"
            )

    @classmethod
    def meta_dataset(
        cls,
        ways=(5, 50),
        max_shots=100,
        max_queries=10,
        max_support_size=500,
        within_groups=False,
        small_classes="error",
    ):
        """Return the rule of Meta-Dataset: variable ways, unbalanced shots.

        Use it where classes differ much in size and evaluation should, too.
        With `C` the drawn classes, `n_c` their numbers of examples,

        `queries = min(max_queries, min_c floor(n_c / 2))`, for all classes,

        `|S| = min(max_support_size, sum_c ceil(b * min(max_shots,
        n_c - queries)))`, with `b` uniform in (0, 1],

        `shots_c = min(floor(r_c * (|S| - |C|)) + 1, n_c - queries)`, where the
        shares `r_c` are proportional to `n_c * exp(a_c)` with `a_c` uniform
        in [log 0.5, log 2).

        Reference: Triantafillou et al., 2020, "Meta-Dataset: A Dataset of
        Datasets for Learning to Learn from Few Examples", arXiv:1903.03096.

        Args:
            ways: Range of the number of classes.
            max_shots: Most support examples that a class adds to `|S|`; its
                share of `|S|` may be larger.
            max_queries: Most queries of each class.
            max_support_size: Most support examples in an episode.
            within_groups: As in `EpisodeSpec`.
            small_classes: What to do with classes of a single example:
                `"error"` or `"drop"`.

        Example:

        >>> spec = km.episodes.EpisodeSpec.meta_dataset(ways=(5, 20))
        >>> spec.support_size, spec.query_size
        (500, 200)
        """
        size = check_positive_int("max_support_size", max_support_size)
        spec = cls(
            ways=ways,
            shots=(1, check_positive_int("max_shots", max_shots)),
            queries=(1, check_positive_int("max_queries", max_queries)),
            unbalanced=True,
            within_groups=within_groups,
            small_classes=small_classes,
            rule="meta_dataset",
            max_support_size=size,
        )
        if size < spec.max_ways:
            raise ValueError(
                "`max_support_size` must leave one support example for each "
                f"class. Received: max_support_size={size}, ways={ways}"
            )
        return spec

    def as_plain(self):
        """Return the fields as a dictionary, for `EpisodeSpec(**fields)`."""
        names = [field.name for field in dataclasses.fields(EpisodeSpec)]
        return {name: getattr(self, name) for name in names}

    @property
    def is_regression(self):
        """Whether a task is one group with targets, instead of classes."""
        return self.ways is None

    @property
    def varies(self):
        """Whether episodes differ in size, and therefore have masks."""
        sizes = (self.ways, self.shots, self.queries)
        return (
            self.small_classes == "fewer_queries"
            or self.rule == "meta_dataset"
            or any(isinstance(size, tuple) for size in sizes)
        )

    def ranges(self, name, indices=None):
        """Return `(low, high)` of `"ways"`, `"shots"` or `"queries"`.

        Args:
            name: Which size.
            indices: Episode indices; a `Curriculum` has ranges for each.
        """
        size = getattr(self, name)
        size = 1 if size is None else size
        return (size, size) if isinstance(size, int) else size

    @property
    def least_ways(self):
        """Number of classes that a group must have to be drawn from."""
        return self.ranges("ways")[0]

    @property
    def max_ways(self):
        """Largest number of classes, 1 for regression."""
        return self.ranges("ways")[1]

    @property
    def max_shots(self):
        """Largest number of support examples of a class."""
        most = self.ranges("shots")[1]
        if self.rule == "meta_dataset":
            # One class can take all that the others leave: one example each.
            total = min(self.max_support_size, self.max_ways * most)
            return total - self.least_ways + 1
        return most

    @property
    def max_queries(self):
        """Largest number of query examples of a class."""
        return self.ranges("queries")[1]

    @property
    def support_size(self):
        """Number of support examples in an episode, padding included."""
        size = self.max_ways * self.ranges("shots")[1]
        return min(size, self.max_support_size or size)

    @property
    def query_size(self):
        """Number of query examples in an episode, padding included."""
        return self.max_ways * self.max_queries

    @property
    def examples_per_class(self):
        """Largest number of examples drawn of a class."""
        return self.max_shots + self.max_queries


def _check_size(name, value, minimum):
    """Return a size as an `int`, or as a pair of two different ones."""
    if not isinstance(value, (tuple, list)):
        return check_positive_int(name, value, minimum)
    if len(value) != 2:
        raise ValueError(
            f"`{name}` must be an integer or a pair (low, high). "
            f"Received: {name}={value!r}"
        )
    low, high = (check_positive_int(name, end, minimum) for end in value)
    if low > high:
        raise ValueError(
            f"`{name}` must be a pair (low, high) with low <= high. "
            f"Received: {name}={value!r}"
        )
    return low if low == high else (low, high)
