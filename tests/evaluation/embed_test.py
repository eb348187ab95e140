import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)


def conv():
    return km.backbones.conv4((16, 16, 1), filters=3)


def images(count=23):
    return GENERATOR.integers(0, 256, (count, 16, 16, 1), dtype="uint8")


def test_is_what_the_backbone_says():
    backbone, x = conv(), images()
    features = km.evaluation.embed(backbone, x, batch_size=5)
    expected = backbone(x.astype("float32"), training=False)
    assert features.dtype == "float32"
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)


def test_a_memory_map_and_a_dataset_give_the_same(tmp_path):
    backbone, x, y = conv(), images(), np.arange(23)
    expected = km.evaluation.embed(backbone, x)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    received = km.evaluation.embed(backbone, mapped, batch_size=10)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(7)
    features, labels = km.evaluation.embed(backbone, data)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(labels, y)
    alone = km.evaluation.embed(backbone, data.map(lambda x, y: x))
    np.testing.assert_allclose(alone, expected, rtol=1e-4, atol=1e-4)


def test_several_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    backbone = keras.Model({"a": a, "b": b}, keras.ops.concatenate([a, b], 1))
    x = {"a": GENERATOR.normal(size=(5, 3)), "b": np.ones((5, 2))}
    features = km.evaluation.embed(backbone, x, batch_size=2)
    expected = np.concatenate([x["a"], x["b"]], axis=1)
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def text_backbone():
    vectorizer = keras.layers.TextVectorization(output_mode="count")
    vectorizer.adapt(["dim the lamp", "buy a lamp"])
    return keras.Sequential([keras.Input((), dtype="string"), vectorizer])


@pytest.mark.parametrize(
    "kind",
    [list, np.array, lambda x: np.array(x, "O"), np.char.encode, tf.constant],
)
def test_strings(kind):
    texts = ["dim a lamp", "buy the lamp, buy", "", "röter"]
    backbone = text_backbone()
    features = km.evaluation.embed(backbone, kind(texts), batch_size=3)
    expected = backbone(tf.constant(texts))
    np.testing.assert_array_equal(features, expected)
    assert features.dtype == "float32" and features.sum() == 3 + 4 + 1


def test_strings_beside_numbers():
    a = keras.Input((1,), name="a", dtype="string")
    b = keras.Input((2,), name="b")
    columns = [km.layers.OneHotStrings(["oats"])(a), b]
    backbone = keras.Model({"a": a, "b": b}, keras.ops.concatenate(columns, 1))
    x = {"a": [["oats"], ["rye"], ["oats"]], "b": np.ones((3, 2))}
    features = km.evaluation.embed(backbone, x, batch_size=2)
    np.testing.assert_array_equal(
        features, [[0, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 1]]
    )


@pytest.mark.parametrize(
    "data, message",
    [
        ([], "at least one example"),
        ("dim the lamp", r"data.shape=\(\)"),
        (["dim", None], "Received: None among strings"),
        (["dim", 1.0], "Received: 1.0 among strings"),
        ([None, "dim"], "Received: data.dtype=object"),
        (
            {"a": ["dim", "buy"], "b": ["dim"]},
            r"2. Received: data\['b'\].shape",
        ),
    ],
)
def test_wrong_strings(data, message):
    with pytest.raises(ValueError, match=message):
        km.evaluation.embed(text_backbone(), data)


def test_features_of_half_precision_are_whole():
    backbone = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, dtype="mixed_float16")]
    )
    assert km.evaluation.embed(backbone, np.ones((2, 3))).dtype == "float32"


def test_episodes_over_features_are_those_over_examples():
    backbone, x = conv(), images(40)
    y = np.repeat(np.arange(4), 10)
    spec = km.episodes.EpisodeSpec(ways=3, shots=2, queries=4)

    def accuracy(backbone, x):
        learner = km.learners.ProtoNet(backbone)
        learner.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        data = km.episodes.episodes_from_arrays(x, y, spec, num_episodes=8)
        return learner.evaluate(data, verbose=0, return_dict=True)

    features = km.evaluation.embed(backbone, x)
    inputs = keras.Input(features.shape[1:])
    received = accuracy(keras.Model(inputs, inputs), features)
    for name, value in accuracy(backbone, x).items():
        assert received[name] == pytest.approx(value, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    "data, message",
    [
        (np.zeros((0, 16, 16, 1)), r"with one number|at least one example"),
        (np.full((2, 16, 16, 1), np.nan), "NaN"),
        (tf.data.Dataset.from_tensors(np.zeros((2, 3))).repeat(), "ends"),
        (tf.data.Dataset.from_tensors(np.zeros((2, 3))).take(0), "is empty"),
    ],
)
def test_wrong_data(data, message):
    with pytest.raises(ValueError, match=message):
        km.evaluation.embed(conv(), data)
