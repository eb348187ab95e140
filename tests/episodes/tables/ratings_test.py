import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes.tables.ratings import episodes_from_ratings

SPEC = EpisodeSpec(shots=2, queries=3)
SMALL = pd.DataFrame(
    {
        "userId": np.repeat(["ann", "bob"], 6),
        "movieId": np.tile([10, 20, 30, 40, 50, 60], 2),
        "rating": np.arange(12) / 2,
    }
)
ITEMS = [10, 20, 30, 40, 50, 60]
FEATURES = pd.DataFrame({"comedy": [1, 0, 0, 1, 1, 0]}, index=ITEMS)


@pytest.fixture
def movielens(shared_file):
    ratings = pd.read_csv(shared_file("data", "movielens_small", "ratings.csv"))
    movies = pd.read_csv(shared_file("data", "movielens_small", "movies.csv"))
    genres = movies.genres.str.get_dummies().set_index(movies.movieId)
    return ratings, genres


def test_a_user_is_a_task(movielens):
    ratings, genres = movielens
    data = episodes_from_ratings(
        ratings,
        EpisodeSpec(shots=5, queries=15),
        num_episodes=24,
        item_features=genres,
        item_ids=list(genres.index),
    )
    by_item = ratings.groupby(["movieId", "rating"]).userId.agg(set)
    for x, query_y in data:
        both = x["support_x"], x["query_x"]
        places = np.concatenate([part["item"] for part in both], axis=1)
        features = np.concatenate([part["features"] for part in both], axis=1)
        assert (places.dtype, features.dtype) == ("int32", "float32")
        assert (places.shape, features.shape) == ((4, 20, 1), (4, 20, 20))
        np.testing.assert_array_equal(
            features, genres.to_numpy()[places[..., 0]]
        )
        targets = np.concatenate([x["support_y"], query_y], axis=1)
        for task, rated in zip(places, targets):
            items = genres.index[task[:, 0]]
            assert len(set(items)) == 20
            # One user gave all of these ratings.
            assert set.intersection(
                *(by_item[item, r] for item, r in zip(items, rated[:, 0]))
            )


def test_users_with_few_ratings(movielens):
    ratings, genres = movielens
    spec = EpisodeSpec(shots=20, queries=80)
    with pytest.raises(ValueError, match="Each task needs at least 100"):
        episodes_from_ratings(ratings, spec, item_features=genres)
    spec = EpisodeSpec(shots=20, queries=80, small_classes="drop")
    data = episodes_from_ratings(ratings, spec, item_features=genres)
    large = (ratings.groupby("userId").size() >= 100).sum()
    assert len(data.episode_stream.candidates.sizes) == large
    assert data.element_spec[0]["query_x"].shape == (4, 80, 20)


def test_maml_with_an_embedding(shared_file, tmp_path):
    path = shared_file("data", "grouped_regression", "insteval_ratings.csv.gz")
    lecturers = sorted(set(pd.read_csv(path)["d"]))
    data = episodes_from_ratings(
        path,
        EpisodeSpec(shots=4, queries=6, small_classes="drop"),
        num_episodes=8,
        user="s",
        item="d",
        rating="y",
        item_ids=lecturers,
    )
    network = keras.Sequential(
        [
            keras.Input((1,), dtype="int32"),
            keras.layers.Embedding(len(lecturers), 4),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    learner = km.learners.MAML(network, inner_learning_rate=0.1)
    learner.compile("adam", "mse")
    learner.fit(data, verbose=0)
    x, _ = next(iter(data))
    predicted = learner.predict(x, verbose=0)
    learner.export(tmp_path / "exported")
    served = tf.saved_model.load(tmp_path / "exported")
    state = served.adapt(x["support_x"][0], x["support_y"][0])
    np.testing.assert_allclose(
        served.predict_query(state, x["query_x"][0]), predicted[0], atol=1e-5
    )


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_episode_does_not_depend_on_the_batch_size(batch_size):
    def examples(size):
        data = episodes_from_ratings(
            SMALL, SPEC, size, seed=5, num_episodes=6, item_ids=ITEMS
        )
        return np.concatenate([x["query_x"] for x, _ in data])

    np.testing.assert_array_equal(examples(batch_size), examples(6))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"item_ids": None}, ["item_features=None, item_ids=None"]),
        ({"item_ids": ITEMS[:4]}, ["2 unknown items", "50", "row 4"]),
        ({"item_ids": [*ITEMS, 30]}, ["item_ids", "30 more than once"]),
        ({"item_features": FEATURES[1:]}, ["item_features", "10 in row 0"]),
        (
            {"item_features": FEATURES.replace(1, np.nan)},
            ["`item_features`", "row 0, column 'comedy'"],
        ),
        (
            {"item_features": FEATURES.astype(str)},
            ["'comedy' of `item_features`", "numbers"],
        ),
        (
            {"item_features": FEATURES.reset_index(names="movieId")},
            ["set_index('movieId')", "begins with 0"],
        ),
        ({"item_features": "movies.csv"}, ["set_index", "path 'movies.csv'"]),
        ({"user": ["userId", "movieId"]}, ["one column", "['userId', 'movi"]),
        ({"user": "user"}, ["user='user'", "userId, movieId"]),
        ({"rating": "userId"}, ["'userId' of `ratings`", "'ann'"]),
        (
            {"ratings": SMALL.replace(0.5, np.nan)},
            ["row 1, column 'rating'", "`ratings`"],
        ),
        (
            {"ratings": pd.concat([SMALL, SMALL[3:4]])},
            ["drop_duplicates", "row 12: user ann, item 40"],
        ),
        ({"spec": EpisodeSpec(2, 1, 1)}, ["no classes", "ways"]),
    ],
)
def test_errors_name_what_is_wrong(changes, words):
    arguments = {"ratings": SMALL, "spec": SPEC, "item_ids": ITEMS, **changes}
    with pytest.raises(ValueError) as error:
        episodes_from_ratings(**arguments)
    for word in words:
        assert word in str(error.value)
