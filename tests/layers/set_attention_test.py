import keras
import numpy as np
import pytest

from kerasmeta.layers.set_attention import SetAttention

GENERATOR = np.random.default_rng(0)
SETS = GENERATOR.normal(size=(2, 5, 4)).astype("float32")


def made():
    layer = SetAttention()
    layer.build(SETS.shape)
    for variable in layer.trainable_variables:
        variable.assign(GENERATOR.normal(size=variable.shape))
    return layer


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def attended_by_hand(layer, members):
    """The formula for one set, member by member, in float64."""
    x = members.astype("float64")
    q, k, v = (
        x @ part.get_weights()[0]
        for part in (layer.query, layer.key, layer.value)
    )
    kernel, bias = layer.mix.get_weights()
    gamma, beta = layer.norm.get_weights()
    outputs = []
    for i in range(len(x)):
        seen = softmax(k @ q[i] / 2) @ v  # 2 is the root of the width.
        y = x[i] + seen @ kernel + bias
        y = (y - y.mean()) / np.sqrt(y.var() + 1e-5)
        outputs.append(gamma * y + beta)
    return np.array(outputs)


def test_is_what_the_paper_says():
    layer = made()
    outputs = layer(SETS)
    for t in range(2):
        np.testing.assert_allclose(
            outputs[t], attended_by_hand(layer, SETS[t]), rtol=1e-4, atol=1e-4
        )


def test_permuting_the_members_permutes_the_outputs():
    layer, order = made(), [3, 0, 4, 2, 1]
    np.testing.assert_allclose(
        layer(SETS[:, order]),
        layer(SETS).numpy()[:, order],
        rtol=1e-4,
        atol=1e-5,
    )


def test_members_see_only_what_the_mask_allows():
    layer = made()
    mask = np.array([[[True, True, True, False, False]]] * 2)
    masked = layer(SETS, attention_mask=mask)
    short = layer(SETS[:, :3])
    np.testing.assert_allclose(masked[:, :3], short, rtol=1e-4, atol=1e-5)
    everyone = layer(SETS)
    assert np.abs(everyone[:, :3] - short).max() > 1e-2


@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
def test_drops_in_training_only(name):
    rates = {"dropout": 0.0, "attention_dropout": 0.0, name: 0.9}
    layer, plain = SetAttention(**rates), SetAttention(0.0, 0.0)
    layer.build(SETS.shape)
    plain.build(SETS.shape)
    for one, other in zip(plain.trainable_variables, layer.trainable_variables):
        one.assign(other)
    np.testing.assert_array_equal(layer(SETS), plain(SETS))
    dropped = layer(SETS, training=True)
    assert np.abs(dropped - plain(SETS, training=True)).max() > 1e-3


def test_is_saved_with_its_model(tmp_path):
    x = keras.Input((None, 4))
    model = keras.Model(x, SetAttention()(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(SETS), model(SETS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=1"):
        SetAttention(**{name: 1})


def test_members_of_one_number_are_refused():
    with pytest.raises(ValueError, match="embeddings of length 1"):
        SetAttention().build((None, None, 1))
