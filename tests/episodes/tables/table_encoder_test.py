import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.preprocessing import StandardScaler

import kerasmeta as km
from kerasmeta.episodes.tables.table import episodes_from_table
from kerasmeta.episodes.tables.table_encoder import table_encoder

RNG = np.random.default_rng(0)
NUMBERS = ["age", "dose"]


def make_table(n=120):
    species = RNG.integers(0, 6, n)
    data = pd.DataFrame(
        {
            "age": species + RNG.normal(size=n),
            "sex": RNG.choice(["f", "m", None], n),
            "dose": RNG.normal(1000.0, 50.0, n),
            "site": RNG.choice([3, 14, 15], n),
            "species": species,
        }
    )
    data.loc[::9, "age"] = np.nan
    data.loc[5::11, "dose"] = np.nan
    return data


DATA = make_table()


def columns_of(data, encoder):
    return {
        name: tf.constant(
            np.array(data[name].fillna("").astype(str), object)[:, None]
            if tensor.dtype == "string"
            else data[[name]].to_numpy("float32")
        )
        for name, tensor in encoder.input.items()
    }


@pytest.mark.parametrize("impute", ["median", "mean", "most_frequent"])
def test_does_what_a_scikit_learn_pipeline_does(impute):
    categories = ["sex", "site"]
    encoder = table_encoder(
        DATA, categorical=categories, target="species", impute=impute
    )
    reference = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy=impute), StandardScaler()),
            NUMBERS,
        ),
        (OneHotEncoder(sparse_output=False), categories),
    )
    strings = DATA[categories].fillna("").astype(str)
    expected = reference.fit_transform(DATA[NUMBERS].join(strings))
    encoded = encoder(columns_of(DATA, encoder)).numpy()
    assert (encoded.dtype, encoder.output_shape) == ("float32", (None, 10))
    # Column 0 of a category is for unknown values, which a fitted row has not.
    assert not encoded[:, [2, 6]].any()
    known = np.delete(encoded, [2, 6], axis=1)
    np.testing.assert_allclose(known, expected, atol=2e-4)


def test_unknown_and_missing_values_at_deployment():
    encoder = table_encoder(DATA[["age", "sex"]])
    row = {"age": tf.constant([[np.nan]] * 3)}
    row["sex"] = tf.constant([["x"], [""], ["f"]])
    encoded = encoder(row).numpy()
    assert encoded[:, 1:].tolist() == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
    ]
    mean = DATA.age.fillna(DATA.age.median()).agg(["mean", "std"])
    expected = (DATA.age.median() - mean["mean"]) / mean["std"]
    np.testing.assert_allclose(encoded[:, 0], expected, rtol=0.01, atol=1e-5)


def test_constant_columns_stay_small():
    encoder = table_encoder(pd.DataFrame({"x": [0.1] * 30}))
    assert np.abs(encoder({"x": np.array([[0.1], [1.1]])})).max() < 1.01


def test_integers_with_gaps_are_the_same_categories():
    data = pd.DataFrame({"dept": [1, 2, None, 2]})
    encoder = table_encoder(data, categorical=["dept"])
    encoded = encoder({"dept": tf.constant([["2"], [""], ["2.0"]])})
    assert np.argmax(encoded, axis=1).tolist() == [3, 1, 0]


def test_selection_finds_the_columns_that_tell():
    data = DATA.assign(
        code=DATA.species.map("c{}".format),
        curve=(DATA.species - 2.5) ** 2 + RNG.normal(scale=0.1, size=120),
    )
    encoder = table_encoder(data, target="species", select=2)
    assert list(encoder.input) == ["code", "curve"]
    y = RNG.normal(size=120)
    data = DATA.assign(y=y, wave=np.sin(3 * y), noise=RNG.normal(size=120))
    encoder = table_encoder(data, target="y", select=1)
    assert list(encoder.input) == ["wave"]


def test_whole_numbers_can_be_measurements():
    y = RNG.permutation(120)
    noise = RNG.normal(size=120)
    data = pd.DataFrame({"curve": (y - 60) ** 2, "noise": noise, "y": y})
    encoder = table_encoder(data, target="y", select=1)
    assert list(encoder.input) == ["curve"]
    with pytest.raises(ValueError, match="infinity.*row 3, column 'y'"):
        table_encoder(
            data.assign(y=np.where(data.index == 3, np.inf, 1.5)),
            target="y",
            select=1,
        )
    dates = pd.Timestamp("2020-01-01") + pd.to_timedelta(y, "D")
    with pytest.raises(ValueError, match="'y'.*Make days of dates"):
        table_encoder(data.assign(y=dates), target="y", select=1)


def test_words_that_look_like_numbers_are_named_or_refused():
    ages = ["31", "?", None, "47", "52"]
    data = pd.DataFrame({"age": ages, "sex": list("ffmmm")})
    with pytest.raises(ValueError, match="'age'.*categorical.*3 nume.*'[?]'"):
        table_encoder(data)
    encoder = table_encoder(data, categorical=["age", "sex"])
    assert encoder.output_shape == (None, 6 + 3)
    data["age"] = pd.to_datetime("2020-01-01")
    with pytest.raises(ValueError, match="'age'.*categorical.*dates"):
        table_encoder(data)
    assert table_encoder(data, categorical=["age", "sex"])
    with pytest.raises(ValueError, match="'age'.*Make days of dates"):
        table_encoder(data, categorical=["sex"])


@pytest.mark.parametrize("scale", [1e-9, 1e25])
def test_a_spread_that_float32_cannot_hold_is_named(scale):
    data = pd.DataFrame({"x": RNG.normal(size=30) * scale})
    with pytest.raises(ValueError, match="standard deviation.*'x'.*e[-+]"):
        table_encoder(data)


def learner_of(name, network_or_backbone):
    if name == "ProtoNet":
        return km.learners.ProtoNet(network_or_backbone)
    return km.learners.MAML(network_or_backbone, inner_learning_rate=0.1)


@pytest.mark.parametrize("name", ["ProtoNet", "MAML"])
def test_a_learner_that_begins_with_it_takes_raw_columns(name, tmp_path):
    encoder = table_encoder(DATA, features=["age", "sex", "dose"])
    outputs = keras.layers.Dense(3)(encoder.output)
    learner = learner_of(name, keras.Model(encoder.input, outputs))
    learner.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    spec = km.episodes.EpisodeSpec(ways=3, shots=2, queries=3)
    episodes = episodes_from_table(
        DATA,
        spec,
        "species",
        num_episodes=8,
        encoder=encoder,
        raw=True,
    )
    learner.fit(episodes, verbose=0)
    x, _ = next(iter(episodes))
    assert np.isnan(x["support_x"]["age"]).any()
    assert x["support_x"]["sex"].dtype == "string"
    assert x["support_x"]["sex"].shape == (4, 6, 1)
    predicted = learner.predict(x, verbose=0)

    learner.save(tmp_path / "learner.keras")
    loaded = keras.saving.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), predicted, atol=1e-5
    )

    loaded.export(tmp_path / "exported")
    served = tf.saved_model.load(tmp_path / "exported")
    support, query = (
        {k: v[1] for k, v in x[name].items()}
        for name in ("support_x", "query_x")
    )
    state = served.adapt(support, x["support_y"][1])
    np.testing.assert_allclose(
        served.predict_query(state, query), predicted[1], atol=1e-5
    )
    # A gap is what the table would have it be.
    gap = {**query, "dose": tf.fill([9, 1], np.nan)}
    filled = {**query, "dose": tf.fill([9, 1], np.float32(DATA.dose.median()))}
    np.testing.assert_allclose(
        served.predict_query(state, gap),
        served.predict_query(state, filled),
        atol=1e-5,
    )
    model = loaded.adapted_model(support, x["support_y"][1])
    np.testing.assert_allclose(
        model.predict(query, verbose=0), predicted[1], atol=1e-5
    )


def test_raw_and_encoded_episodes_are_the_same():
    encoder = table_encoder(DATA, target="species")
    spec = km.episodes.EpisodeSpec(ways=3, shots=2, queries=3)
    (once, y), (raw, raw_y) = (
        next(
            iter(
                episodes_from_table(
                    DATA, spec, "species", encoder=encoder, raw=raw
                )
            )
        )
        for raw in (False, True)
    )
    np.testing.assert_array_equal(y, raw_y)
    flat = {k: tf.reshape(v, [-1, 1]) for k, v in raw["query_x"].items()}
    np.testing.assert_allclose(
        encoder(flat), tf.reshape(once["query_x"], [36, -1]), atol=1e-6
    )


def test_scikit_learn_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.impute", None)
    with pytest.raises(ImportError, match=r"kerasmeta\[tables\]"):
        table_encoder(DATA)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"features": ["weight"]}, ["features='weight'", "age, sex, dose"]),
        ({"features": []}, ["features", "at least one"]),
        ({"features": ["age", "age"]}, ["once"]),
        ({"categorical": ["height"]}, ["categorical='height'"]),
        ({"categorical": []}, ["'sex'", "numbers", "categorical"]),
        ({"impute": "zero"}, ["impute='zero'", "'median'"]),
        ({"select": 2}, ["select=2, target=None"]),
        ({"select": 9, "target": "species"}, ["at most 4 columns"]),
        ({"select": 0, "target": "species"}, ["select=0"]),
        ({"max_categories": 2}, ["'sex' with 3 categories", "=2"]),
        ({"data": DATA.rename(columns={"age": "age%"})}, ["'age%'", "rename"]),
        ({"data": DATA.assign(dose=np.nan)}, ["'dose'", "all of 120 rows"]),
        ({"data": DATA.assign(dose=np.inf)}, ["row 0, column 'dose'", "inf"]),
        ({"data": DATA[:0]}, ["at least one row", "(0, 5)"]),
        ({"data": [[1.0]]}, ["DataFrame", "list"]),
    ],
)
def test_errors_name_what_is_wrong(changes, words):
    with pytest.raises(ValueError) as error:
        table_encoder(**{"data": DATA, **changes})
    for word in words:
        assert word in str(error.value)
