import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.causal_attention import CausalAttention

GENERATOR = np.random.default_rng(0)
SEQUENCES = GENERATOR.normal(size=(2, 5, 4)).astype("float32")


def made():
    layer = CausalAttention(key_size=3, value_size=2)
    layer.build(SEQUENCES.shape)
    for variable in layer.trainable_variables:
        variable.assign(GENERATOR.normal(size=variable.shape))
    return layer


def attended_by_hand(layer, sequence):
    """Member by member, in float64."""
    x = sequence.astype("float64")
    q, k, v = (
        x @ part.get_weights()[0] + part.get_weights()[1]
        for part in (layer.query, layer.key, layer.value)
    )
    reads = []
    for t in range(len(x)):
        scores = np.exp(k[: t + 1] @ q[t] / np.sqrt(3))
        reads.append(scores / scores.sum() @ v[: t + 1])
    return np.concatenate([x, reads], axis=1)


def test_is_what_the_paper_says():
    layer = made()
    outputs = layer(SEQUENCES)
    for t in range(2):
        np.testing.assert_allclose(
            outputs[t], attended_by_hand(layer, SEQUENCES[t]), rtol=1e-4
        )


def test_nothing_later_is_seen():
    layer, moved = made(), SEQUENCES.copy()
    moved[:, 3] += 5
    before, after = layer(SEQUENCES).numpy(), layer(moved).numpy()
    np.testing.assert_array_equal(after[:, :3], before[:, :3])
    assert np.abs(after[:, 4] - before[:, 4]).max() > 1e-2


def test_padding_may_hold_anything():
    layer, mask = made(), np.array([[False, True, True, False, True]] * 2)
    spoiled = np.where(mask[..., None], SEQUENCES, np.nan)
    examples = tf.constant(SEQUENCES[:, 3:])
    results = []
    for x in (SEQUENCES, spoiled):
        whole = layer(x, sequence_mask=mask)[mask]
        memory = layer.remember(x, mask)
        results.append([whole, layer.extend(examples, memory)])
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_is_saved_with_its_model(tmp_path):
    x = keras.Input((None, 4))
    model = keras.Model(x, CausalAttention(3, 2)(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(SEQUENCES), model(SEQUENCES), rtol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: key_size=0"):
        CausalAttention(0, 1)
    with pytest.raises(ValueError, match="Received: value_size=0"):
        CausalAttention(1, 0)
