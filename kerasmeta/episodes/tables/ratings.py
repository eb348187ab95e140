"""Episodes from ratings: one user, one task."""

import os

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.array_source import array_loader
from kerasmeta.episodes.class_index import ClassIndex
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.source import Source
from kerasmeta.episodes.tables.cells import numbers
from kerasmeta.episodes.tables.frames import as_frame
from kerasmeta.episodes.tables.frames import check_columns
from kerasmeta.episodes.tables.frames import keys


def episodes_from_ratings(
    ratings,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    user="userId",
    item="movieId",
    rating="rating",
    item_features=None,
    item_ids=None,
    **options,
):
    """Make a dataset of episodes from ratings of items by users.

    Use it for the cold start: each user is a task, the support set is the few
    items that a new user has rated, the queries are others, and the target is
    the rating. An item is told by its features, so that new ones can be
    rated, by its place in a list, for an `Embedding`, or by both.

    Args:
        ratings: `DataFrame` with one row a rating, or path of a CSV file.
        spec: `EpisodeSpec` without `ways`. `small_classes="drop"` leaves out
            users with too few ratings.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        user: Name of the column with the user.
        item: Name of the column with the item.
        rating: Name of the column with the rating, a number.
        item_features: `DataFrame` of numbers whose index is the items, one row
            each, or `None`. Make the column of the items the index first:
            `movies.set_index("movieId")`.
        item_ids: List of all items, or `None`. An example then holds the place
            of its item in the list, from 0. Use one list for training and test.
        **options: As in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)` as in
        `episodes_from_arrays`, with float32 targets `[T, Q, 1]`. Examples are
        features, float32 `[T, S, D]`, or places, int32 `[T, S, 1]`, or with
        both a dictionary of `"features"` and `"item"`.

    Raises:
        ImportError: If pandas is not installed.
        ValueError: If a column does not exist, a cell is not what it should
            be, an item is unknown, or a user rated an item twice.

    Example:

    >>> import pandas as pd
    >>> ratings = pd.DataFrame({
    ...     "userId": np.repeat([1, 2, 3], 6),
    ...     "movieId": np.tile([10, 20, 30, 40, 50, 60], 3),
    ...     "rating": np.tile([4.0, 2.5, 3.0], 6),
    ... })
    >>> movies = pd.DataFrame(
    ...     {"comedy": [1, 0, 0, 1, 1, 0], "drama": [0, 1, 1, 0, 1, 0]},
    ...     index=[10, 20, 30, 40, 50, 60],
    ... )
    >>> spec = km.episodes.EpisodeSpec(shots=2, queries=4)
    >>> data = km.episodes.episodes_from_ratings(
    ...     ratings, spec, batch_size=2, item_features=movies
    ... )
    >>> x, query_y = next(iter(data))
    >>> x["support_x"].shape, query_y.shape
    (TensorShape([2, 2, 2]), TensorShape([2, 4, 1]))
    """
    frame = as_frame(ratings, "episodes_from_ratings", "ratings")
    users = keys(frame, [user], "user", "ratings")
    items = keys(frame, [item], "item", "ratings")
    [rating] = check_columns(frame, [rating], "rating", "ratings")
    remedy = "Drop the rows without a rating."
    targets = numbers(frame, [rating], remedy, name="ratings")
    _check_repeated(frame, user, item)
    loaders = {}
    if item_features is not None:
        features = _check_features(item_features, item)
        loaders["features"] = _features_loader(items, features)
    if item_ids is not None:
        places = _places(items, item_ids, "item_ids")
        loaders["item"] = array_loader(places.astype("int32")[:, None])
    source = Source(
        ClassIndex(check_labels(users, f"ratings[{user!r}]")),
        _merge_loaders(loaders),
        array_loader(targets),
        "ratings",
    )
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )


def _check_features(item_features, item):
    """Return features of items, or say what to make the index."""
    remedy = (
        "`item_features` must be a `DataFrame` whose index is the items: use "
        f"`.set_index({item!r})`."
    )
    if isinstance(item_features, (str, os.PathLike)):
        raise ValueError(f"{remedy} Received: the path {str(item_features)!r}")
    features = as_frame(item_features, "episodes_from_ratings", "item_features")
    if item in features.columns:
        raise ValueError(
            f"{remedy} Received: a column {item!r} beside the index, which "
            f"begins with {features.index[0]!r}"
        )
    return features


def _features_loader(items, features):
    cells = numbers(
        features,
        list(features.columns),
        "Encode strings and fill gaps first: see `table_encoder`.",
        name="item_features",
    )
    places = tf.constant(_places(items, features.index, "item_features"))
    load = array_loader(cells)
    return lambda ids: load(tf.gather(places, ids))


def _places(items, known, argument):
    """Return where in `known` each of the items is."""
    from pandas import Index

    known = Index(known)
    if not known.is_unique:
        repeated = known[known.duplicated()][0]
        raise ValueError(
            f"`{argument}` must have each item once. "
            f"Received: item {repeated} more than once"
        )
    places = known.get_indexer(items)
    if (places < 0).any():
        row = int(np.argmax(places < 0))
        raise ValueError(
            f"`{argument}` must know all items that are rated. Add the others, "
            "or drop their ratings: `ratings[ratings[item].isin(...)]`. "
            f"Received: {len(set(items[places < 0]))} unknown items, first "
            f"{items[row]} in row {row} of `ratings`"
        )
    return places


def _check_repeated(frame, user, item):
    repeated = frame.duplicated([user, item]).to_numpy()
    if repeated.any():
        row = int(np.argmax(repeated))
        raise ValueError(
            "A user must rate an item once, or the answer to a query could be "
            "in the support set. Keep one of them: `ratings.drop_duplicates("
            f"[{user!r}, {item!r}])`. Received: {repeated.sum()} repeated "
            f"ratings, first in row {row}: user {frame[user].iloc[row]}, "
            f"item {frame[item].iloc[row]}"
        )


def _merge_loaders(loaders):
    if not loaders:
        raise ValueError(
            "An item needs something to tell it by: pass `item_features=`, a "
            "`DataFrame` whose index is the items, or `item_ids=`, a list of "
            "all items. Received: item_features=None, item_ids=None"
        )
    if len(loaders) == 1:
        return next(iter(loaders.values()))
    return lambda ids: {name: load(ids) for name, load in loaders.items()}
