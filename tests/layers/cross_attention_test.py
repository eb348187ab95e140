import keras
import numpy as np
import pytest

from kerasmeta.layers import CrossAttention

GENERATOR = np.random.default_rng(0)
QUERIES, KEYS, VALUES = (
    GENERATOR.normal(size=(2, n, 6)).astype("float32") for n in (3, 5, 5)
)
MASK = np.array([[True, True, False, True, False], [False] * 5])


def by_hand(layer, queries, keys, values, mask):
    """Attention of one query and one head after another, in float64."""
    weights = [w.astype("float64") for w in layer.get_weights()]
    if not layer.use_bias:
        weights = [part for w in weights for part in (w, np.zeros(w.shape[1:]))]
        weights[-1] = np.zeros(queries.shape[-1])
    (wq, bq, wk, bk, wv, bv, wo, bo) = weights
    outputs = np.zeros(queries.shape)
    for i, query in enumerate(queries):
        outputs[i] = bo
        for head in range(wq.shape[1]):
            q = query @ wq[:, head] + bq[head]
            k = keys[mask] @ wk[:, head] + bk[head]
            v = values[mask] @ wv[:, head] + bv[head]
            scores = np.exp(k @ q / np.sqrt(len(q)))
            outputs[i] += scores @ v / scores.sum() @ wo[head]
    return outputs


@pytest.mark.parametrize("use_bias", [False, True])
def test_it_is_attention_to_the_real_members(use_bias):
    layer = CrossAttention(heads=2, use_bias=use_bias)
    seen = layer(QUERIES, KEYS, VALUES, MASK)
    layer.set_weights([w + 0.1 for w in layer.get_weights()])
    seen = layer(QUERIES, KEYS, VALUES, MASK)
    expected = by_hand(layer, QUERIES[0], KEYS[0], VALUES[0], MASK[0])
    np.testing.assert_allclose(seen[0], expected, rtol=1e-4, atol=1e-5)
    # Who sees nobody gets zeros.
    np.testing.assert_array_equal(seen[1], np.zeros((3, 6)))


def test_a_network_with_it_is_saved(tmp_path):
    shapes = [(3, 6), (5, 6), (5, 6)]
    inputs = [keras.Input(shape) for shape in shapes]
    mask = keras.Input((5,), dtype="bool")
    outputs = CrossAttention(heads=3)(*inputs, mask)
    network = keras.Model([*inputs, mask], outputs)
    assert network.output_shape == (None, 3, 6)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    arguments = [QUERIES, KEYS, VALUES, MASK]
    np.testing.assert_allclose(loaded(arguments), network(arguments))


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: heads=0"):
        CrossAttention(heads=0)
    with pytest.raises(ValueError, match="heads=4 for size 6"):
        CrossAttention(heads=4)(QUERIES, KEYS, VALUES, MASK)
