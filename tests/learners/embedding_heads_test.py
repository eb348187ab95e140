"""What all heads over features promise: a table of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

SIZE = 6
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
VARIED = km.episodes.EpisodeSpec(
    ways=(2, 4), shots=(1, 3), queries=(1, 4), unbalanced=True
)
HEADS = {
    "SimpleShot": lambda b: km.learners.SimpleShot(b, base_mean=np.ones(SIZE)),
    "NearestNeighbour": km.learners.NearestNeighbour,
    "Baseline": lambda b: km.learners.Baseline(b, steps=20),
    "BaselinePlusPlus": lambda b: km.learners.BaselinePlusPlus(b, steps=20),
    "SoftKMeans": lambda b: km.learners.SoftKMeans(b, steps=2),
    "SoftKMeans-distractors": lambda b: km.learners.SoftKMeans(
        b, distractors=True
    ),
    "BDCSPN": lambda b: km.learners.BDCSPN(b, pseudo_labels=2),
    "LaplacianShot": lambda b: km.learners.LaplacianShot(b, steps=4),
    "TIM": lambda b: km.learners.TIM(b, steps=10),
    "PTMAP": lambda b: km.learners.PTMAP(b, steps=3),
}


def identity():
    inputs = keras.Input((SIZE,))
    return keras.Model(inputs, inputs)


def dense(dtype=None):
    return keras.Sequential(
        [
            keras.Input((SIZE,)),
            keras.layers.Dense(SIZE, "softplus", dtype=dtype),
        ]
    )


def compiled(name, backbone):
    learner = HEADS[name](backbone)
    learner.compile(keras.optimizers.SGD(0.1), CROSSENTROPY)
    return learner


def features():
    """Positive features of 8 classes that overlap."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 10)
    x = generator.uniform(size=(8, SIZE))[y]
    return np.abs(x + 0.4 * generator.normal(size=x.shape)), y


def episodes(spec, batch_size=4):
    data = km.episodes.episodes_from_arrays(
        *features(), spec, batch_size=batch_size, num_episodes=batch_size
    )
    return next(iter(data))


def equal():
    return episodes(km.episodes.EpisodeSpec(ways=3, shots=2, queries=4), 2)


@pytest.mark.parametrize("name", HEADS)
def test_padding_changes_nothing(name):
    learner = compiled(name, identity())
    batch, query_y = episodes(VARIED)
    # Whatever stands in the padding.
    for part in ("support", "query"):
        mask = batch[f"{part}_mask"][..., None]
        batch[f"{part}_x"] = tf.where(mask, batch[f"{part}_x"], 50.0)
    together = learner(batch).numpy()
    for i in range(len(query_y)):
        support = batch["support_mask"][i]
        query = batch["query_mask"][i]
        support_y = batch["support_y"][i][support]
        ways = int(tf.reduce_max(support_y)) + 1
        state = learner.adapt(batch["support_x"][i][support], support_y)
        alone = learner.predict_query(state, batch["query_x"][i][query])
        expected = together[i][query.numpy()]
        np.testing.assert_allclose(
            alone, expected[:, :ways], rtol=1e-4, atol=1e-4
        )
        # Classes that the task does not have get no chance.
        probabilities = tf.nn.softmax(expected).numpy()
        assert (probabilities[:, ways:] < 1e-20).all()


@pytest.mark.parametrize("name", HEADS)
def test_classes_and_support_examples_have_no_order(name):
    km.testing.check_learner(
        lambda: compiled(name, identity()),
        lambda: tf.data.Dataset.from_tensors(equal()),
        ["class_permutation", "support_permutation"],
        permutes_classes=True,
    )


@pytest.mark.parametrize("name", HEADS)
def test_unknown_dimensions(name):
    learner = compiled(name, identity())
    batch, _ = equal()
    specs = tf.nest.map_structure(
        lambda t: tf.TensorSpec([None, None, *t.shape[2:]], t.dtype), batch
    )
    call = tf.function(lambda x: learner(x), input_signature=[specs])
    np.testing.assert_allclose(
        call(batch), learner(batch), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", HEADS)
def test_features_in_half_precision_do_not_overflow(name):
    backbone = dense("mixed_float16")
    kernel, bias = backbone.get_weights()
    backbone.set_weights([300 * np.abs(kernel), bias])
    logits = compiled(name, backbone)(equal()[0])
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    "name",
    [
        # The loops of these take long to trace.
        name
        if name in ("SoftKMeans", "Baseline")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in HEADS
    ],
)
def test_gradients_are_exact(name):
    """Also where there is padding, and a task has not all classes."""
    learner = compiled(name, dense())
    assert km.testing.verify_meta_gradient(learner, *episodes(VARIED)) < 1e-5


def with_head(build, **arguments):
    network = keras.Sequential([keras.Input((SIZE,)), keras.layers.Dense(SIZE)])
    return build(network, **arguments)


def compile_for_xla(learner, jit_compile):
    learner.compile("sgd", CROSSENTROPY, jit_compile=jit_compile)
    return learner.jit_compile


def by_position(learner):
    learner.compile("sgd", CROSSENTROPY, None, None, None, False, 1, True)


@pytest.mark.parametrize(
    "build", [km.learners.ProtoNet, km.learners.LRD2, km.learners.ProtoMAML]
)
def test_xla_needs_the_number_of_classes(build, monkeypatch):
    """Counted, it would have XLA compile anew; "auto" trains without."""
    for compile_learner in (
        lambda one: compile_for_xla(one, True),
        by_position,
    ):
        with pytest.raises(ValueError, match="number of classes: give `ways`"):
            compile_learner(with_head(build))
    assert compile_for_xla(with_head(build, ways=3), True)
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(
        "tensorflow.config.list_physical_devices", lambda *kind: [gpu]
    )
    assert not compile_for_xla(with_head(build), "auto")
    assert compile_for_xla(with_head(build, ways=3), "auto")


def test_xla_compiles_heads_that_regress():
    assert compile_for_xla(
        with_head(km.learners.R2D2, regression=True), jit_compile=True
    )
