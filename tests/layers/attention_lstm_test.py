import keras
import numpy as np
import pytest

from kerasmeta.layers.attention_lstm import AttentionLSTM

GENERATOR = np.random.default_rng(0)
QUERIES = GENERATOR.normal(size=(2, 3, 4)).astype("float32")
SUPPORT = GENERATOR.normal(size=(2, 5, 4)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def read_by_hand(layer, query, support):
    """The equations of the paper for one query, in float64."""
    kernel, recurrent, bias = (w.astype("float64") for w in layer.get_weights())
    hidden, cell = query, np.zeros(4)
    for _ in range(layer.steps):
        attention = np.exp(support @ hidden)
        read = attention @ support / attention.sum()
        gates = np.concatenate([query, read]) @ kernel
        i, f, g, o = np.split(gates + hidden @ recurrent + bias, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell) + query
    return hidden


@pytest.mark.parametrize("steps", [1, 3])
def test_is_what_the_paper_says(steps):
    layer = AttentionLSTM(steps)
    outputs = layer([QUERIES, SUPPORT])
    for t in range(2):
        for q in range(3):
            np.testing.assert_allclose(
                outputs[t, q],
                read_by_hand(layer, QUERIES[t, q], SUPPORT[t]),
                rtol=1e-4,
                atol=1e-5,
            )


def test_padding_and_the_order_of_the_support_set_do_not_matter():
    layer = AttentionLSTM(2)
    mask = np.array([[True] * 3 + [False] * 2] * 2)
    masked = layer([QUERIES, SUPPORT], support_mask=mask)
    short = layer([QUERIES, SUPPORT[:, [2, 0, 1]]])
    np.testing.assert_allclose(masked, short, rtol=1e-4, atol=1e-6)


def test_is_saved_with_its_model(tmp_path):
    inputs = [keras.Input((None, 4)), keras.Input((None, 4))]
    model = keras.Model(inputs, AttentionLSTM(2)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded([QUERIES, SUPPORT]), model([QUERIES, SUPPORT]), rtol=1e-6
    )


@pytest.mark.parametrize(
    "shape", [(2, 3, 4), [(2, 3, 4)], [(2, 3, 4), (2, 3, 5)], [(3, 4), (3, 4)]]
)
def test_wrong_inputs(shape):
    with pytest.raises(ValueError, match="Received: input_shape="):
        AttentionLSTM().build(shape)


def test_wrong_steps():
    with pytest.raises(ValueError, match="Received: steps=0"):
        AttentionLSTM(0)
