import keras
import numpy as np
import pytest

import kerasmeta as km


def proto_net(*middle):
    layers = [keras.Input((3,)), *middle, keras.layers.Dense(2)]
    return km.learners.ProtoNet(keras.Sequential(layers))


def test_a_missing_file_is_not_said_to_be_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        proto_net().load_weights(tmp_path / "nowhere.weights.h5")


@pytest.mark.parametrize(
    "saved, other",
    [
        ([keras.layers.Dropout(0.5)], []),
        ([], [keras.layers.Dropout(0.5)]),
        ([keras.layers.Dropout(0.5)], [keras.layers.Dropout(0.0)]),
    ],
)
def test_weights_go_to_networks_with_other_noise(saved, other, tmp_path):
    saved, other = proto_net(*saved), proto_net(*other)
    saved.save_weights(tmp_path / "learner.weights.h5")
    other.load_weights(tmp_path / "learner.weights.h5")
    for one, two in zip(
        saved.trainable_variables, other.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(one, two)
