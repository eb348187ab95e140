import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.one_hot_strings import OneHotStrings

WORDS = ["lupins", "barley", "", "Gerste mit Grütze"]
X = tf.constant([[word] for word in [*WORDS, "oats", "BARLEY", "barley "]])


def test_does_what_string_lookup_does():
    lookup = keras.layers.StringLookup(vocabulary=WORDS, output_mode="one_hot")
    np.testing.assert_array_equal(OneHotStrings(WORDS)(X), lookup(X))


def test_vectorized_over_tasks():
    layer = OneHotStrings(WORDS)
    tasks = tf.reshape(tf.tile(X, [3, 1]), [3, 7, 1])
    mapped = tf.function(
        lambda tasks: tf.vectorized_map(
            layer, tasks, fallback_to_while_loop=False
        )
    )(tasks)
    np.testing.assert_array_equal(mapped, np.stack([layer(X)] * 3))


def test_is_saved_with_its_model(tmp_path):
    inputs = keras.Input((1,), dtype="string")
    model = keras.Model(inputs, OneHotStrings(WORDS)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.output_shape == (None, 5)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model(X))


@pytest.mark.parametrize("vocabulary", [[], "abc", ["a", "a"], [1], None])
def test_the_vocabulary_is_checked(vocabulary):
    with pytest.raises(ValueError, match="Received: vocabulary="):
        OneHotStrings(vocabulary)


def test_the_shape_is_checked():
    with pytest.raises(ValueError, match="one column of strings"):
        OneHotStrings(["a"])(tf.constant([["a", "b"]]))
