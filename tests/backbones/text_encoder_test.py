import numpy as np
import pytest

import kerasmeta as km


def test_averages_words_without_padding():
    network = km.backbones.text_encoder(
        9, embedding_size=4, units=(5,), num_classes=3
    )
    assert network.count_params() == 9 * 4 + (4 * 5 + 5) + (5 * 3 + 3)
    words, kernel, bias, head, offset = network.get_weights()
    mean = (words[3] + words[5]) / 2
    expected = np.maximum(mean @ kernel + bias, 0) @ head + offset
    for tokens in ([[3, 5]], [[5, 3, 0, 0]]):
        np.testing.assert_allclose(
            network(np.array(tokens))[0], expected, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_a_text_without_words_is_finite(pooling):
    network = km.backbones.text_encoder(9, pooling=pooling)
    features = network(np.zeros((2, 4), "int32"))
    assert np.isfinite(features.numpy()).all()


def test_attention_begins_as_the_mean_and_learns_which_words_count():
    encoder = km.backbones.text_encoder(
        9, embedding_size=4, units=(5,), pooling="attention"
    )
    assert encoder.count_params() == 9 * 4 + (4 * 4 + 4) + 4 + (4 * 5 + 5)
    mean = km.backbones.text_encoder(9, embedding_size=4, units=(5,))
    for name in ("embedding", "hidden1"):
        weights = encoder.get_layer(name).get_weights()
        mean.get_layer(name).set_weights(weights)
    tokens = np.array([[3, 5, 0, 0], [1, 2, 3, 4]])
    np.testing.assert_allclose(
        encoder(tokens), mean(tokens), rtol=1e-5, atol=1e-6
    )
    attention = encoder.get_layer("attention")
    attention.score.set_weights([np.full((4, 1), 50.0)])
    assert np.abs(encoder(tokens) - mean(tokens)).max() > 1e-3


def test_rejects_an_empty_vocabulary():
    with pytest.raises(ValueError, match="vocabulary_size=1"):
        km.backbones.text_encoder(1)


@pytest.mark.parametrize("units", [64, (0,), (2.5,), "ab", None])
def test_rejects_units_that_are_no_tuple_of_sizes(units):
    with pytest.raises(ValueError, match="Received: units="):
        km.backbones.text_encoder(9, units=units)


def test_rejects_an_unknown_pooling():
    with pytest.raises(ValueError, match="pooling='max'"):
        km.backbones.text_encoder(9, pooling="max")
