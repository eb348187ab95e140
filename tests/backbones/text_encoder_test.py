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


def test_a_text_without_words_is_finite():
    features = km.backbones.text_encoder(9)(np.zeros((2, 4), "int32"))
    assert np.isfinite(features.numpy()).all()


def test_rejects_an_empty_vocabulary():
    with pytest.raises(ValueError, match="vocabulary_size=1"):
        km.backbones.text_encoder(1)
