import numpy as np
import pytest

import kerasmeta as km


def test_size():
    network = km.backbones.audio_encoder(2048, num_classes=3, filters=8)
    norms = 4 * 40 + 3 * 4 * 8
    convolutions = (9 * 1 * 8 + 8) + 2 * (9 * 8 * 8 + 8)
    assert network.count_params() == norms + convolutions + 8 * 3 + 3
    assert network(np.zeros((2, 2048))).shape == (2, 3)


def test_takes_arguments_of_the_spectrogram():
    network = km.backbones.audio_encoder(
        2048, sample_rate=16000, mel_bands=20, frame_step=64
    )
    assert network.get_layer("log_mel").output.shape == (None, 29, 20)


def test_rejects_waveforms_that_are_too_short():
    with pytest.raises(ValueError, match="Received: 5 frames and 40 bands"):
        km.backbones.audio_encoder(768)
