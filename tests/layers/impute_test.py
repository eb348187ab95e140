import keras
import numpy as np
import pytest
from sklearn.impute import SimpleImputer

from kerasmeta.layers.impute import Impute


def test_does_what_scikit_learn_does():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    x[::4, 0] = x[::7, 2] = np.nan
    imputer = SimpleImputer(strategy="median").fit(x)
    layer = Impute(imputer.statistics_)
    np.testing.assert_array_equal(layer(x), imputer.transform(x))


def test_any_number_of_axes():
    x = np.array([[[np.nan, 2.0]], [[3.0, np.nan]]])
    assert Impute([7.0, 8.0])(x).numpy().tolist() == [[[7, 2]], [[3, 8]]]


def test_is_saved_with_its_model(tmp_path):
    model = keras.Sequential([keras.Input((2,)), Impute([1.5, -2.0])])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    gaps = np.full((1, 2), np.nan)
    assert loaded.predict(gaps, verbose=0).tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize("values", [[], [np.nan], 3.0, ["a"], [[1.0]], None])
def test_values_are_checked(values):
    with pytest.raises(ValueError, match="Received: values="):
        Impute(values)


def test_the_number_of_features_is_checked():
    with pytest.raises(ValueError, match="2 values .* shape \\(3,\\)"):
        Impute([1.0, 2.0])(np.zeros((4, 3)))
