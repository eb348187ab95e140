import collections
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.layers.hashed_n_grams import HashedNGrams

TEXTS = ["Transfer $50, please -- transfer!", "ÄRGER mit der Äthernät", "", "a"]


def pieces(text, sizes, words):
    """What is counted, in plain Python."""
    for word in re.sub(r"[^\w\s]|_", "", text.lower()).split():
        word = f"<{word}>"
        if words:
            yield word
        for size in sizes:
            for i in range(len(word) - size + 1):
                yield word[i : i + size]


def reference(texts, buckets, sizes, words):
    counts = np.zeros((len(texts), buckets), "float32")
    for i, text in enumerate(texts):
        for piece, n in collections.Counter(pieces(text, sizes, words)).items():
            bucket = tf.strings.to_hash_bucket_fast([piece], buckets)
            counts[i, int(bucket[0])] += n
    return counts


@pytest.mark.parametrize(
    "sizes, words", [((3, 4), True), ((2,), False), ((), True), ((5, 1), False)]
)
@pytest.mark.parametrize("buckets", [7, 4096])
def test_counts_what_python_counts(buckets, sizes, words):
    layer = HashedNGrams(buckets, sizes, words)
    expected = reference(TEXTS, buckets, sizes, words)
    np.testing.assert_array_equal(layer(tf.constant(TEXTS)), expected)


def test_words_of_one_stem_have_pieces_in_common():
    a, b, c = HashedNGrams(4096)(tf.constant(["transfer", "transferred", "ok"]))
    # <tr tra ran ans nsf sfe fer, and one less of four characters.
    assert np.sum(a * b) == 7 + 6
    assert np.sum(a * c) == 0


def test_any_shape_of_texts():
    layer = HashedNGrams(32)
    flat = layer(tf.constant(TEXTS))
    square = layer(tf.reshape(tf.constant(TEXTS), [2, 2]))
    np.testing.assert_array_equal(tf.reshape(square, [4, 32]), flat)
    np.testing.assert_array_equal(layer(np.array(TEXTS)), flat)
    np.testing.assert_array_equal(layer(tf.constant(TEXTS[0])), flat[0])


def test_bytes_that_are_no_text_count_as_something():
    counts = HashedNGrams(32)(tf.constant([b"\xff\xfe abc"]))
    assert np.isfinite(counts).all()


def test_in_a_pipeline():
    layer = HashedNGrams(64)
    data = tf.data.Dataset.from_tensor_slices(TEXTS).batch(3).map(layer)
    assert data.element_spec.shape.as_list() == [None, 64]
    received = np.concatenate(list(data.as_numpy_iterator()))
    np.testing.assert_array_equal(received, layer(tf.constant(TEXTS)))


def counts_and_logits(buckets=64):
    inputs = keras.Input((), dtype="string")
    counts = HashedNGrams(buckets, sizes=(2, 3))(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(counts))


def test_is_saved_with_its_model(tmp_path):
    model = counts_and_logits()
    assert model.layers[1].output.shape == (None, 64)
    expected = model(tf.constant(TEXTS))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(tf.constant(TEXTS)), expected)
    model.export(str(tmp_path / "exported"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(
        served.serve(tf.constant(TEXTS)), expected, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(
    "build",
    [
        km.learners.ProtoNet,
        lambda network: km.learners.MAML(network, inner_learning_rate=0.1),
    ],
)
def test_learners_take_strings(build):
    learner = build(counts_and_logits())
    learner.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    episodes = km.episodes.episodes_from_text(
        [f"{verb} {i}" for verb in ("dim", "buy") for i in range(5)],
        np.repeat([0, 1], 5),
        km.episodes.EpisodeSpec(2, 1, 2),
        batch_size=2,
    )
    before = learner.get_weights()
    learner.fit(episodes, steps_per_epoch=2, verbose=0)
    assert np.abs(learner.get_weights()[0] - before[0]).max() > 0


@pytest.mark.parametrize("sizes", [3, "34", (3, 3), (0,), (2.5,), None])
def test_sizes_are_checked(sizes):
    with pytest.raises(ValueError, match="Received: sizes="):
        HashedNGrams(8, sizes)


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match="Received: buckets=0"):
        HashedNGrams(0)
    with pytest.raises(ValueError, match="words=False"):
        HashedNGrams(8, (), words=False)
    with pytest.raises(ValueError, match="inputs of dtype int32"):
        HashedNGrams(8)(tf.constant([1, 2]))
