import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.episodes.audio.waveforms import episodes_from_waveforms
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.layers.log_mel import LogMel

SPEC = EpisodeSpec(ways=2, shots=1, queries=2)
LABELS = np.repeat(["a", "b", "c"], 4)


def recordings():
    """Twelve vectors of 300 to 410 samples; sample 0 tells which is which."""
    generator = np.random.default_rng(0)
    waveforms = []
    for i in range(12):
        waveform = generator.integers(-32768, 32768, 300 + 10 * i)
        waveform[0] = i
        waveforms.append(waveform.astype("int16"))
    return waveforms


def examples(data):
    for x, _ in data:
        for name in ("support_x", "query_x"):
            yield from x[name].numpy().reshape(-1, *x[name].shape[2:])


@pytest.mark.parametrize("length", [None, 350, 500])
def test_waveforms_are_scaled_padded_and_cropped(length):
    waveforms = recordings()
    data = episodes_from_waveforms(
        waveforms, LABELS, SPEC, num_episodes=20, length=length
    )
    seen = set()
    for example in examples(data):
        assert example.dtype == np.float32
        number = int(example[0] * 32768)
        seen.add(number)
        expected = np.zeros(length or 410)
        waveform = waveforms[number][: length or 410]
        expected[: len(waveform)] = waveform / 32768
        np.testing.assert_array_equal(example, expected.astype("float32"))
    assert seen == set(range(12))


def test_labels_are_those_of_the_waveforms():
    data = episodes_from_waveforms(recordings(), LABELS, SPEC, num_episodes=9)
    for x, query_y in data:
        for task in range(len(query_y)):
            found = {}
            pairs = [(x["support_x"], x["support_y"]), (x["query_x"], query_y)]
            for waveforms, labels in pairs:
                numbers = (waveforms[task, :, 0].numpy() * 32768).astype(int)
                for number, label in zip(numbers, labels[task].numpy()):
                    found.setdefault(label, set()).add(LABELS[number])
            assert sorted(map(len, found.values())) == [1, 1]


def test_an_episode_does_not_depend_on_the_batch_size():
    one, five = (
        episodes_from_waveforms(recordings(), LABELS, SPEC, size, 7, 5)
        for size in (1, 5)
    )
    (many,) = five
    for i, (x, query_y) in enumerate(one):
        np.testing.assert_array_equal(x["query_x"][0], many[0]["query_x"][i])
        np.testing.assert_array_equal(query_y[0], many[1][i])


def test_floats_are_not_scaled():
    waveforms = np.random.default_rng(0).normal(size=(12, 20)) * 3
    data = episodes_from_waveforms(waveforms, LABELS, SPEC, num_episodes=9)
    rows = {tuple(row) for row in waveforms.astype("float32")}
    assert {tuple(example) for example in examples(data)} == rows


def test_a_transform_is_the_same_before_and_in_a_network():
    layer = LogMel(8000)
    waveforms = recordings() * 6  # More than one batch of them.
    labels = np.tile(LABELS, 6)
    before = episodes_from_waveforms(
        waveforms, labels, SPEC, num_episodes=6, transform=layer
    )
    raw = episodes_from_waveforms(waveforms, labels, SPEC, num_episodes=6)
    assert before.element_spec[0]["support_x"].shape == (None, 2, 2, 40)
    for (x, _), (waves, _) in zip(before, raw):
        expected = layer(waves["query_x"])
        np.testing.assert_allclose(x["query_x"], expected, atol=1e-5)


def test_groups_are_kept_together():
    spec = EpisodeSpec(ways=2, shots=1, queries=1, within_groups=True)
    groups = np.repeat(["x", "x", "y"], 4)
    with pytest.raises(ValueError, match="y"):
        episodes_from_waveforms(
            recordings()[4:], LABELS[4:], spec, groups=groups[4:]
        )
    groups = np.tile(["x", "x", "y", "y"], 3)
    data = episodes_from_waveforms(
        recordings(), LABELS, spec, num_episodes=9, groups=groups
    )
    for x, _ in data:
        numbers = (x["support_x"][..., 0].numpy() * 32768).astype(int)
        assert (groups[numbers] == groups[numbers][:, :1]).all()


@pytest.mark.parametrize(
    "bad, words",
    [
        ([], r"one sample or more.*waveforms\[2\] of shape \(0,\)"),
        (np.zeros((9, 2), "int16"), r"waveforms\[2\] of shape \(9, 2\)"),
        (np.zeros(9, "int32"), r"int16.*waveforms\[2\] of dtype int32"),
        (np.zeros(9), r"waveforms\[0\] of dtype int16, waveforms\[2\] of"),
        (np.array([0, np.nan]), r"NaN or infinity in waveforms\[2\]"),
        (np.array([0, 1e39]), r"NaN or infinity in waveforms\[2\]"),
    ],
)
def test_a_bad_waveform_is_named(bad, words):
    waveforms = recordings()
    waveforms[2] = bad
    with pytest.raises(ValueError, match=words):
        episodes_from_waveforms(waveforms, LABELS, SPEC)


def test_what_cannot_be_used_is_said():
    waveforms = recordings()
    with pytest.raises(ValueError, match="list of vectors.*a str"):
        episodes_from_waveforms("a.wav", LABELS, SPEC)
    with pytest.raises(ValueError, match="an empty list"):
        episodes_from_waveforms([], LABELS, SPEC)
    with pytest.raises(ValueError, match="`waveforms`.*12"):
        episodes_from_waveforms(waveforms[1:], LABELS, SPEC)
    labels = [*LABELS[:5], None, *LABELS[6:]]
    with pytest.raises(ValueError, match=r"`labels`.*None in labels\[5\]"):
        episodes_from_waveforms(waveforms, labels, SPEC)
    with pytest.raises(ValueError, match="length=0"):
        episodes_from_waveforms(waveforms, LABELS, SPEC, length=0)
    with pytest.raises(ValueError, match="Received: transform='mel'"):
        episodes_from_waveforms(waveforms, LABELS, SPEC, transform="mel")
    with pytest.raises(ValueError, match="300 samples, frame_length=512"):
        episodes_from_waveforms(
            waveforms, LABELS, SPEC, length=300,
            transform=LogMel(8000, frame_length=512),
        )  # fmt: skip
    with pytest.raises(ValueError, match="ways"):
        spec = EpisodeSpec(shots=1, queries=1)
        episodes_from_waveforms(waveforms, LABELS, spec)


def test_spoken_digits_are_told_apart(shared_file, tmp_path):
    waves = np.load(shared_file("data", "fsdd", "fsdd_wave_8k_i16.npz"))
    path = shared_file("data", "fsdd", "fsdd_logmel_64x40_f16.npz")
    kept = np.flatnonzero(waves["index"] < 5)
    samples, offsets = waves["samples"], waves["offsets"]
    waveforms = [samples[offsets[i] : offsets[i + 1]] for i in kept]
    labels = waves["digit"][kept] * 6 + waves["speaker"][kept]
    spec = EpisodeSpec(ways=5, shots=1, queries=4)
    options = {"batch_size": 5, "seed": 3, "num_episodes": 20}
    raw = episodes_from_waveforms(
        waveforms, labels, spec, length=8320, **options
    )
    inputs = keras.Input((8320,))
    features = keras.layers.Flatten()(LogMel(8000)(inputs))
    learner = km.learners.ProtoNet(keras.Model(inputs, features))
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    found = learner.evaluate(raw, verbose=0, return_dict=True)["accuracy"]
    # The same without waveforms: the features that the set comes with.
    expected = km.episodes.episodes_from_arrays(
        np.load(path)["features"][kept].astype("float32"), labels, spec,
        **options,
    )  # fmt: skip
    right = []
    for x, query_y in expected:
        support = tf.reshape(x["support_x"], [5, 5, -1]).numpy()
        query = tf.reshape(x["query_x"], [5, 20, -1]).numpy()
        distance = ((query[:, :, None] - support[:, None]) ** 2).sum(-1)
        nearest = np.take_along_axis(
            x["support_y"].numpy(), distance.argmin(-1), axis=1
        )
        right.append(nearest == query_y.numpy())
    assert abs(found - np.mean(right)) < 0.01
    assert found > 0.5
    learner.export(tmp_path)
    x, _ = next(iter(raw))
    served = tf.saved_model.load(tmp_path)
    keys = ("support_x", "support_y", "query_x")
    np.testing.assert_allclose(
        served.serve(*(x[key][0] for key in keys)),
        learner.predict(x, verbose=0)[0],
        rtol=1e-3,
    )
