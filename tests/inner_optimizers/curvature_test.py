import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.inner_optimizers.curvature import Curvature
from kerasmeta.testing.float64 import double_precision

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def random_matrices(optimizer, seed=0):
    generator = np.random.default_rng(seed)
    for variable in optimizer.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return [[m.numpy() for m in group] for group in optimizer.matrices]


@pytest.mark.parametrize(
    "shape, sizes",
    [
        ((), [1]),
        ((4,), [4]),
        ((4, 3), [4, 3]),
        ((5, 4, 3), [5, 4, 3]),
        ((2, 3, 4, 5), [6, 4, 5]),
        ((2, 2, 2, 3, 1), [8, 3, 1]),
    ],
)
def test_update_is_the_kronecker_product_of_the_matrices(shape, sizes):
    with double_precision():
        generator = np.random.default_rng(1)
        weight, gradient = generator.normal(size=(2, *shape))
        optimizer = Curvature(0.1)
        optimizer.build_for([tf.constant(weight)])
        (matrices,) = random_matrices(optimizer)
        moved, _ = optimizer.step(
            [tf.constant(weight)], [tf.constant(gradient)], [], 0
        )
    assert [len(m) for m in matrices] == sizes
    whole = np.ones((1, 1))
    for matrix in matrices:
        whole = np.kron(whole, matrix)
    expected = weight - 0.1 * (whole @ gradient.ravel()).reshape(shape)
    np.testing.assert_allclose(moved[0], expected, rtol=1e-10)


def test_gradients_of_the_matrices_of_a_conv_kernel_in_numpy():
    with double_precision():
        generator = np.random.default_rng(2)
        weight, gradient, upstream = generator.normal(size=(3, 2, 3, 4, 5))
        optimizer = Curvature(0.1)
        optimizer.build_for([tf.constant(weight)])
        ((m_f, m_i, m_o),) = random_matrices(optimizer)
        with tf.GradientTape() as tape:
            moved, _ = optimizer.step(
                [tf.constant(weight)], [tf.constant(gradient)], [], 0
            )
            loss = tf.reduce_sum(upstream * moved[0])
        received = tape.gradient(loss, [m.value for m in optimizer.matrices[0]])
    g, u = gradient.reshape(6, 4, 5), upstream.reshape(6, 4, 5)
    expected = [
        -0.1 * np.einsum("aio,bjp,ij,op->ab", u, g, m_i, m_o),
        -0.1 * np.einsum("fao,gbp,fg,op->ab", u, g, m_f, m_o),
        -0.1 * np.einsum("fia,gjb,fg,ij->ab", u, g, m_f, m_i),
    ]
    for one, other in zip(received, expected):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def small_network(*middle):
    return keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            keras.layers.Conv2D(4, 3),
            *middle,
            keras.layers.Activation("tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


def maml(optimizer, *middle, **kwargs):
    keras.utils.set_random_seed(0)
    learner = km.learners.MAML(
        small_network(*middle), inner_optimizer=optimizer, **kwargs
    )
    learner.compile(keras.optimizers.SGD(0.1), CROSSENTROPY)
    return learner


def episodes():
    generator = np.random.default_rng(0)
    y = np.tile(np.array([0, 1, 2, 0, 1, 2], "int32"), (2, 1))
    x = {
        "support_x": generator.normal(size=(2, 6, 5, 5, 2)).astype("float32"),
        "support_y": y,
        "query_x": generator.normal(size=(2, 6, 5, 5, 2)).astype("float32"),
    }
    return tf.nest.map_structure(tf.constant, x), tf.constant(y)


def test_it_begins_as_gradient_descent():
    x, query_y = episodes()
    ours = maml(Curvature(0.1), inner_steps=2)
    plain = maml(km.inner_optimizers.GradientDescent(0.1), inner_steps=2)
    loss, _, gradients = ours.meta_gradients(x, query_y)
    expected_loss, _, expected = plain.meta_gradients(x, query_y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for one, other in zip(gradients, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_schedule_is_followed():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.1)
    optimizer = Curvature(schedule)
    optimizer.build_for([tf.zeros([1])])
    moved, _ = optimizer.step([tf.zeros([1])], [tf.ones([1])], [], 1)
    np.testing.assert_allclose(moved[0], [-0.05], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    layer = getattr(keras.layers, f"{norm}Normalization")()
    learner = maml(Curvature(0.1), layer, inner_steps=2)
    for variable in learner.inner_optimizer.trainable_variables:
        noise = np.random.default_rng(0).normal(size=variable.shape)
        variable.assign_add(0.1 * noise)
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_save_and_load(tmp_path):
    learner = maml(Curvature(0.1))
    x, query_y = episodes()
    learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    pairs = zip(
        loaded.inner_optimizer.trainable_variables,
        learner.inner_optimizer.trainable_variables,
        strict=True,
    )
    for one, other in pairs:
        assert (np.asarray(other) != np.eye(other.shape[0])).any()
        np.testing.assert_array_equal(one, other)


def test_bad_rate():
    with pytest.raises(ValueError, match="Received: learning_rate=-1"):
        Curvature(-1)
