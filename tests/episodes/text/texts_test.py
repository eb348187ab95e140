import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.text.texts import episodes_from_text

VERBS = ["dim", "buy", "play", "call"]
TEXTS = [f"{verb} the {i} thing" for verb in VERBS for i in "123456"]
LABELS = np.repeat(VERBS, 6)
SPEC = EpisodeSpec(ways=3, shots=2, queries=2)


def vectorizer(texts=TEXTS, **options):
    layer = keras.layers.TextVectorization(**options)
    layer.adapt(texts)
    return layer


def decoded(strings):
    return np.vectorize(bytes.decode)(strings.numpy())


def test_strings_have_the_labels_of_their_classes():
    data = episodes_from_text(TEXTS, LABELS, SPEC, num_episodes=20)
    for x, query_y in data:
        assert x["support_x"].dtype == tf.string
        assert x["support_x"].shape == (4, 6)
        assert x["query_x"].shape == (4, 6)
        for task in range(4):
            words = {}
            for name, y in (("support", x["support_y"]), ("query", query_y)):
                texts = decoded(x[f"{name}_x"][task])
                assert set(texts) <= set(TEXTS)
                for text, label in zip(texts, y[task].numpy()):
                    words.setdefault(label, set()).add(text.split()[0])
            assert sorted(words) == [0, 1, 2]
            assert len(set.union(*words.values())) == 3


def test_an_episode_does_not_depend_on_the_batch_size():
    one, five = (
        episodes_from_text(TEXTS, LABELS, SPEC, size, 7, num_episodes=5)
        for size in (1, 5)
    )
    (many,) = five
    for i, (x, query_y) in enumerate(one):
        for name in x:
            np.testing.assert_array_equal(x[name][0], many[0][name][i])
        np.testing.assert_array_equal(query_y[0], many[1][i])


def test_token_ids_stay_integers_and_match_the_strings():
    layer = vectorizer(output_sequence_length=3)
    options = {"seed": 3, "num_episodes": 4}
    ids = episodes_from_text(TEXTS, LABELS, SPEC, vectorizer=layer, **options)
    strings = episodes_from_text(TEXTS, LABELS, SPEC, **options)
    for (x, _), (text, _) in zip(ids, strings):
        assert x["support_x"].dtype == tf.int64
        expected = layer(tf.reshape(text["support_x"], [-1]))
        np.testing.assert_array_equal(
            tf.reshape(x["support_x"], [-1, 3]), expected
        )


def test_texts_are_padded_to_the_longest_of_all():
    texts = ["word " * (1 + i % 7) for i in range(300)]
    spec = EpisodeSpec(ways=2, shots=1, queries=1)
    data = episodes_from_text(
        texts, np.arange(300) % 3, spec, vectorizer=vectorizer(texts)
    )
    assert data.element_spec[0]["support_x"].shape == (4, 2, 7)


def test_any_function_can_vectorize():
    def lengths(strings):
        size = tf.strings.length(strings)
        return tf.stack(
            [tf.cast(size, "float64"), tf.ones_like(size, "float64")], 1
        )

    texts = [text + "!" * i for i, text in enumerate(TEXTS)] * 12
    data = episodes_from_text(
        texts, np.tile(LABELS, 12), SPEC, vectorizer=lengths
    )
    x = next(iter(data))[0]["support_x"]
    assert (x.dtype, x.shape) == (tf.float32, (4, 6, 2))
    assert set(np.ravel(x[..., 0])) <= {len(text) for text in texts}


def test_groups_are_kept_together():
    groups = np.repeat([0, 0, 1, 1], 6)
    spec = EpisodeSpec(ways=2, shots=1, queries=1, within_groups=True)
    data = episodes_from_text(
        TEXTS, LABELS, spec, num_episodes=20, groups=groups
    )
    pairs = {
        frozenset(text.split()[0] for text in decoded(texts))
        for x, _ in data
        for texts in x["support_x"]
    }
    assert pairs == {frozenset(VERBS[:2]), frozenset(VERBS[2:])}


@pytest.mark.parametrize(
    "texts",
    [
        np.array(TEXTS),
        np.array(TEXTS, dtype=object)[:, None],
        [text.encode() for text in TEXTS],
        tf.constant(TEXTS),
    ],
    ids=["array", "column", "bytes", "tensor"],
)
def test_texts_may_be_of_many_kinds(texts):
    x, _ = next(iter(episodes_from_text(texts, LABELS, SPEC)))
    expected, _ = next(iter(episodes_from_text(TEXTS, LABELS, SPEC)))
    np.testing.assert_array_equal(x["query_x"], expected["query_x"])


@pytest.mark.parametrize(
    "bad, words",
    [
        ("  \n", r"white space.*texts\[3\]"),
        ("", r"white space.*texts\[3\]"),
        (None, r"must be strings.*texts\[3\] is None of type NoneType"),
        (float("nan"), r"must be strings.*texts\[3\] is nan"),
        (b"caf\xe9", r"UTF-8.*texts\[3\].*"),
        ("\ud800", r"valid Unicode.*texts\[3\]"),
    ],
)
def test_a_bad_text_is_named(bad, words):
    texts = [*TEXTS[:3], bad, *TEXTS[4:]]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        episodes_from_text(texts, LABELS, SPEC)


def test_what_cannot_be_used_is_said():
    with pytest.raises(ValueError, match="list or vector.*type str"):
        episodes_from_text("one text", LABELS, SPEC)
    with pytest.raises(ValueError, match="not empty"):
        episodes_from_text([], [], SPEC)
    with pytest.raises(ValueError, match="`texts`.*24"):
        episodes_from_text(TEXTS[:-1], LABELS, SPEC)
    labels = [*LABELS[:5], None, *LABELS[6:]]
    with pytest.raises(ValueError, match=r"`labels`.*None in labels\[5\]"):
        episodes_from_text(TEXTS, labels, SPEC)
    with pytest.raises(ValueError, match="groups"):
        episodes_from_text(TEXTS, LABELS, SPEC, groups=[0, 1])
    with pytest.raises(ValueError, match="ways"):
        episodes_from_text(TEXTS, LABELS, EpisodeSpec(shots=1, queries=1))
    options = {"texts": TEXTS, "labels": LABELS, "spec": SPEC}
    with pytest.raises(ValueError, match="Received: vectorizer='tf-idf'"):
        episodes_from_text(**options, vectorizer="tf-idf")
    empty = keras.layers.TextVectorization(output_sequence_length=3)
    with pytest.raises(ValueError, match="adapt.*empty vocabulary"):
        episodes_from_text(**options, vectorizer=empty)
    ragged = vectorizer(ragged=True)
    with pytest.raises(ValueError, match="dense.*RaggedTensor"):
        episodes_from_text(**options, vectorizer=ragged)
    with pytest.raises(ValueError, match=r"shape \(24,\) for 24"):
        episodes_from_text(**options, vectorizer=tf.strings.length)
    layer = vectorizer()
    texts = ["a b", *["a"] * 599]
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        episodes_from_text(
            texts, np.arange(600) % 3, SPEC, vectorizer=lambda t: layer(t)
        )


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_saved_and_exported_learner_takes_strings(shape, tmp_path):
    inputs = keras.Input(shape, dtype="string")
    tokens = vectorizer(output_mode="multi_hot")(inputs)
    backbone = keras.Model(inputs, keras.layers.Dense(8)(tokens))
    learner = km.learners.ProtoNet(backbone)
    learner.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    spec = EpisodeSpec(ways=(2, 3), shots=2, queries=2)
    data = episodes_from_text(TEXTS, LABELS, spec, batch_size=2)
    learner.fit(data, steps_per_epoch=2, verbose=0)
    support, query = tf.constant(TEXTS[:8:3]), tf.constant(TEXTS[1:9:3])
    labels = tf.constant([0, 0, 1])
    expected = learner.adapted_model(support, labels).predict(query, verbose=0)

    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    found = loaded.adapted_model(support, labels).predict(query, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    learner.export(tmp_path / "exported")
    served = tf.saved_model.load(tmp_path / "exported")
    found = served.serve(support, labels, query)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_intents_are_told_apart(shared_file):
    path = shared_file("data", "clinc150", "data_full.json")
    rows = json.loads(path.read_text(encoding="utf-8"))
    train, test = np.array(rows["train"]), np.array(rows["test"])
    intents = np.unique(train[:, 1])
    train = train[np.isin(train[:, 1], intents[:100])]
    test = test[np.isin(test[:, 1], intents[100:])]
    layer = vectorizer(train[:, 0], output_mode="tf_idf", max_tokens=2000)
    spec = EpisodeSpec(ways=5, shots=5, queries=10)
    data = episodes_from_text(
        *test.T, spec, batch_size=10, num_episodes=20, vectorizer=layer
    )
    width = layer.vocabulary_size()
    inputs = keras.Input((width,))
    identity = keras.Model(inputs, keras.layers.UnitNormalization()(inputs))
    learner = km.learners.ProtoNet(identity)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    # Chance is 0.2; what scikit-learn's tf-idf reaches is about 0.9.
    accuracy = learner.evaluate(data, verbose=0, return_dict=True)["accuracy"]
    assert 0.75 < accuracy <= 1
