"""Episodes from many small tables, each with classes of its own."""

import numpy as np

from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.array_checks import decode_labels
from kerasmeta.episodes.array_source import array_source
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.tables.cells import check_cells
from kerasmeta.utils import check_positive_int


def episodes_from_tables(
    tables,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    width=None,
    **options,
):
    """Make a dataset of episodes from many classification tables.

    Use it to learn from many small data sets how to learn the next one. All
    classes of an episode come from one table, which is drawn first, each with
    equal probability. Examples get columns of zeros on the right, up to the
    widest table; their numbers are otherwise left as they are, so standardise
    them first where their sizes differ.

    Args:
        tables: Dictionary of the name of each table and its `(x, y)`: numbers
            `[num_examples, num_features]` and classes `[num_examples]`.
        spec: `EpisodeSpec` with `within_groups=True`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        width: Number of features `D` to fill up to, or `None` for that of the
            widest table. Training and test tables need the same.
        **options: As in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`, as in
        `episodes_from_arrays`, with examples `[T, S, D]`.

    Raises:
        ValueError: If the spec draws classes of several tables, or a table is
            not what it should be; it is named.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> tables = {
    ...     "wine": (rng.normal(size=(60, 13)), np.arange(60) % 3),
    ...     "iris": (rng.normal(size=(60, 4)), np.arange(60) % 3),
    ... }
    >>> spec = km.episodes.EpisodeSpec(
    ...     ways=2, shots=3, queries=5, within_groups=True
    ... )
    >>> data = km.episodes.episodes_from_tables(tables, spec, batch_size=2)
    >>> x, query_y = next(iter(data))
    >>> x["support_x"].shape, query_y.shape
    (TensorShape([2, 6, 13]), TensorShape([2, 10]))
    """
    if not getattr(spec, "within_groups", True):
        raise ValueError(
            "Classes of different tables make no task together: use "
            "`EpisodeSpec(ways=..., within_groups=True)`. "
            f"Received: spec={spec}"
        )
    if not isinstance(tables, dict) or not tables:
        raise ValueError(
            "`tables` must be a dictionary `name -> (x, y)` of at least one "
            f"table. Received: tables of type {type(tables).__name__}"
        )
    names = _check_names(tables)
    checked = [_check_table(name, table) for name, table in tables.items()]
    width = _check_width(width, {n: x for n, (x, _) in zip(tables, checked)})
    source = array_source(
        np.concatenate([_widen(x, width) for x, _ in checked]),
        np.concatenate([y for _, y in checked]),
        np.repeat(names, [len(y) for _, y in checked]),
        name="tables",
    )
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )


def _check_names(tables):
    """Return the names of the tables as strings, all different."""
    names = np.array([str(name) for name in tables])
    known, counts = np.unique(names, return_counts=True)
    if counts.max() > 1:
        repeated = [
            key
            for key, name in zip(tables, names)
            if name == known[counts.argmax()]
        ]
        raise ValueError(
            "Names of tables must differ as strings, too. Rename some. "
            f"Received: tables named {repeated}"
        )
    return names


def _check_table(name, table):
    """Return one table as float32 `[n, D]` and strings `[n]`."""
    try:
        x, y = table
        x = np.asarray(x, "float32")
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Each table must be a pair `(x, y)`, numbers and classes. Encode "
            f"strings first: see `table_encoder`. Received: table {name!r}. "
            f"NumPy says: {error}"
        ) from error
    y_name = f"tables[{name!r}][1]"
    y = decode_labels(check_labels(y, y_name), y_name)
    if x.ndim != 2 or not x.shape[1] or len(x) != len(y):
        raise ValueError(
            "Each table must be a pair `(x, y)` of shapes [num_examples, "
            f"num_features] and [num_examples]. Received: table {name!r} of "
            f"shapes {x.shape} and {y.shape}"
        )
    check_cells(
        x,
        range(x.shape[1]),
        "Impute or drop the others first: see `table_encoder`.",
        name=f"tables[{name!r}][0]",
    )
    return x, y.astype(str)


def _check_width(width, examples):
    name = max(examples, key=lambda name: examples[name].shape[1])
    widest = examples[name].shape[1]
    width = widest if width is None else check_positive_int("width", width)
    if width < widest:
        raise ValueError(
            "`width` must be at least that of the widest table, for no column "
            f"is dropped. Received: width={width}, and table {name!r} has "
            f"{widest} features"
        )
    return width


def _widen(x, width):
    return np.pad(x, [(0, 0), (0, width - x.shape[1])])
