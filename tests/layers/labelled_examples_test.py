import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.labelled_examples import LabelledExamples

GENERATOR = np.random.default_rng(0)


def test_embeddings_are_normalized_and_labels_as_long():
    embeddings = GENERATOR.normal(3, 5, size=(2, 3, 4))
    members = np.eye(5)[[[0, 4, 1], [2, 2, 3]]]
    layer = LabelledExamples(5, dtype="float64")
    layer.build(embeddings.shape)
    scale, shift = GENERATOR.normal(size=(2, 4))
    layer.norm.set_weights([scale, shift])
    centered = embeddings - embeddings.mean(axis=-1, keepdims=True)
    variance = np.square(centered).mean(axis=-1, keepdims=True)
    normalized = centered / np.sqrt(variance + 1e-3) * scale + shift
    expected = np.concatenate([normalized, 2 * members], axis=-1)
    np.testing.assert_allclose(layer(embeddings, members), expected, rtol=1e-12)


def test_a_label_and_an_embedding_have_the_same_length():
    embeddings = 100 + 50 * GENERATOR.normal(size=(7, 64))
    both = LabelledExamples(3)(embeddings, np.eye(3)[[0, 1, 2, 0, 1, 2, 0]])
    np.testing.assert_allclose(np.linalg.norm(both[:, :64], axis=1), 8, 1e-5)
    np.testing.assert_allclose(np.linalg.norm(both[:, 64:], axis=1), 8, 1e-5)


def test_is_saved_with_its_model(tmp_path):
    x, members = keras.Input((None, 3)), keras.Input((None, 2))
    outputs = LabelledExamples(2)(x, members)
    assert outputs.shape == (None, None, 5)
    model = keras.Model([x, members], outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    data = [GENERATOR.normal(size=(1, 4, 3)), np.ones((1, 4, 2))]
    np.testing.assert_allclose(loaded(data), model(data))


def test_works_in_half_precision():
    layer = LabelledExamples(2, dtype="mixed_float16")
    outputs = layer(1e4 * tf.ones((2, 3)), tf.eye(2))
    assert outputs.dtype == "float16"
    assert np.isfinite(outputs).all()
    assert layer.weights[0].dtype == "float32"


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: ways=0"):
        LabelledExamples(0)
    with pytest.raises(ValueError, match="embeddings of length 1"):
        LabelledExamples(2).build((None, 1))
