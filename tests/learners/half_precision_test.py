"""Heads of each kind over a backbone that computes in half precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

SIZE = 6
VARIED = km.episodes.EpisodeSpec((2, 3), (1, 3), (1, 4), unbalanced=True)
HEADS = {
    "MatchingNetworks": lambda b: km.learners.MatchingNetworks(
        b, full_context_embeddings=True, read_steps=2
    ),
    "RelationNetwork": lambda b: km.learners.RelationNetwork(b, filters=4),
    "SiameseNetwork": km.learners.SiameseNetwork,
    "FEAT": lambda b: km.learners.FEAT(
        b, temperature=1.0, dropout=0.0, attention_dropout=0.0
    ),
    "MahalanobisNet": km.learners.MahalanobisNet,
    "CNAPS": lambda b: km.learners.CNAPS(modulated(b), dense(4)),
    "R2D2": km.learners.R2D2,
    "Baseline": lambda b: km.learners.Baseline(b, steps=3),
    "SoftKMeans": km.learners.SoftKMeans,
    "PTMAP": lambda b: km.learners.PTMAP(b, steps=2),
    "InContextTransformer": lambda b: km.learners.InContextTransformer(
        b, ways=3, width=4, heads=2, hidden_units=5
    ),
    "SNAIL": lambda b: km.learners.SNAIL(
        b, ways=3, support_size=9, filters=2, key_sizes=(4, 4, 4)
    ),
    "RecurrentNetwork": lambda b: km.learners.RecurrentNetwork(
        b, ways=3, units=4
    ),
    "MANN": lambda b: km.learners.MANN(
        b, ways=3, units=4, slots=5, slot_size=3, heads=2, shift_labels=True
    ),
    "MetaNetworks": lambda b: km.learners.MetaNetworks(
        b, ways=3, units=4, meta_units=3, steps=2
    ),
}


def dense(units=SIZE):
    return keras.Sequential(
        [keras.Input((SIZE,)), keras.layers.Dense(units, "softplus")]
    )


def modulated(backbone):
    x, context = keras.Input((SIZE,)), keras.Input((4,))
    film = km.layers.FiLM()([backbone(x), context])
    return keras.Model([x, context], film)


@pytest.fixture(
    params=[
        "mixed_float16",
        pytest.param("mixed_bfloat16", marks=pytest.mark.slow),
    ]
)
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def batch():
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(6), 10)
    x = generator.normal(size=(6, SIZE))[y]
    x += 0.5 * generator.normal(size=x.shape)
    data = km.episodes.episodes_from_arrays(
        x, y, VARIED, batch_size=3, num_episodes=3
    )
    return next(iter(data))


def results(name, weights=None):
    """Return the learner, its predictions and all meta-gradients as one."""
    keras.utils.set_random_seed(0)
    learner = HEADS[name](dense())
    # Keras' first scale, 32768, is one that steep gradients overflow with.
    learner.compile(
        keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.1), initial_scale=256.0
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    if weights is not None:
        learner.set_weights(weights)
    _, predictions, gradients = learner.meta_gradients(*batch())
    flat = [np.ravel(tf.cast(g, "float32")) for g in gradients]
    return learner, predictions, np.concatenate(flat)


@pytest.mark.parametrize(
    "name",
    [
        # One of each kind by default.
        name
        if name in ("SiameseNetwork", "R2D2", "Baseline", "SoftKMeans", "MANN")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in HEADS
    ],
)
def test_gradients_are_about_those_of_full_precision(name, policy):
    learner, predictions, half = results(name)
    assert learner.backbone.compute_dtype == policy.removeprefix("mixed_")
    assert predictions.dtype == "float32"
    assert np.isfinite(predictions).all()
    assert np.isfinite(half).all()
    keras.config.set_dtype_policy("float32")
    full = results(name, learner.get_weights())[2]
    # `meta_gradients` moves statistics only, which these do not depend on.
    assert full @ half > 0.9 * np.linalg.norm(full) * np.linalg.norm(half)
