"""MAML and ProtoNet against numbers of independent implementations.

The files were made in float64 by two other frameworks. In float64 loss and
meta-gradient must agree to 1e-9.
"""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

SINUSOID = pathlib.Path(__file__).parents[1] / "data" / "maml_sinusoid.npz"
IMAGES = {
    "W1_maml_omniglot.npz": ((28, 28, 1), 64),
    "W5_maml_miniimagenet.npz": ((84, 84, 3), 32),
}


def use(dtype):
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


@pytest.fixture(autouse=True)
def restore_precision():
    yield
    use("float32")


def assign_weights(network, data):
    for i, variable in enumerate(network.trainable_variables):
        variable.assign(data[f"weight_{i:02d}"])


def make_maml(data, network, loss, steps, first_order=False, jit=False):
    assign_weights(network, data)
    learner = km.learners.MAML(
        network,
        inner_learning_rate=float(data["inner_lr"]),
        inner_steps=steps,
        first_order=first_order,
    )
    learner.compile(keras.optimizers.SGD(1.0), loss, jit_compile=jit)
    return learner


def episodes_of(data, dtype):
    x = {
        "support_x": tf.cast(data["support_x"], dtype),
        "query_x": tf.cast(data["query_x"], dtype),
        "support_y": tf.constant(data["support_y"]),
    }
    query_y = tf.constant(data["query_y"])
    if query_y.dtype.is_floating:
        x["support_y"] = tf.cast(x["support_y"], dtype)
        query_y = tf.cast(query_y, dtype)
    return x, query_y


def gradient_error(gradients, data, prefix):
    reference = [data[f"{prefix}_grad_{i:02d}"] for i in range(len(gradients))]
    pairs = list(zip(gradients, reference, strict=True))
    difference = sum(np.sum((np.asarray(g) - r) ** 2) for g, r in pairs)
    return np.sqrt(difference / sum(np.sum(r**2) for _, r in pairs))


def check(learner, data, prefix, dtype, loss_rtol, gradient_rtol):
    x, query_y = episodes_of(data, dtype)
    compiled = tf.function(
        learner.meta_gradients, jit_compile=learner.jit_compile
    )
    loss, query_pred, gradients = compiled(x, query_y)
    np.testing.assert_allclose(loss, data[f"{prefix}_loss"], rtol=loss_rtol)
    assert gradient_error(gradients, data, prefix) < gradient_rtol
    if dtype == "float64":
        np.testing.assert_allclose(
            query_pred, data[f"{prefix}_query_outputs"], rtol=1e-7, atol=1e-9
        )


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-9), ("float32", 1e-5)])
def test_sinusoid_second_order(steps, dtype, rtol):
    with np.load(SINUSOID) as data:
        use(dtype)
        network, loss = km.backbones.mlp((1,), 1), "mse"
        learner = make_maml(data, network, loss, steps)
        check(learner, data, f"golden_s{steps}", dtype, rtol, rtol)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-9), ("float32", 1e-5)])
def test_sinusoid_compiled_by_xla(steps, dtype, rtol):
    with np.load(SINUSOID) as data:
        use(dtype)
        network, loss = km.backbones.mlp((1,), 1), "mse"
        learner = make_maml(data, network, loss, steps, jit=True)
        check(learner, data, f"golden_s{steps}", dtype, rtol, rtol)


@pytest.mark.parametrize("steps", [1, 5])
def test_sinusoid_first_order(steps):
    with np.load(SINUSOID) as data:
        use("float64")
        network, loss = km.backbones.mlp((1,), 1), "mse"
        learner = make_maml(data, network, loss, steps, first_order=True)
        check(learner, data, f"fo_golden_s{steps}", "float64", 1e-9, 1e-9)


def test_adapted_weights_of_sinusoid():
    with np.load(SINUSOID) as data:
        use("float64")
        network, loss = km.backbones.mlp((1,), 1), "mse"
        learner = make_maml(data, network, loss, 5)
        x, _ = episodes_of(data, "float64")
        state = learner.adapt(x["support_x"][0], x["support_y"][0])
        for i, weight in enumerate(state["fast_weights"]):
            np.testing.assert_allclose(
                weight, data[f"golden_s5_adapted0_{i:02d}"], rtol=1e-9
            )


IMAGE_CASES = [
    ("W1_maml_omniglot.npz", "golden", 1),
    ("W1_maml_omniglot.npz", "golden", 2),
    pytest.param("W1_maml_omniglot.npz", "golden", 3, marks=pytest.mark.slow),
    pytest.param("W1_maml_omniglot.npz", "golden", 5, marks=pytest.mark.slow),
    ("W1_maml_omniglot.npz", "fo_golden", 1),
    pytest.param(
        "W1_maml_omniglot.npz", "fo_golden", 5, marks=pytest.mark.slow
    ),
    pytest.param(
        "W5_maml_miniimagenet.npz", "golden", 1, marks=pytest.mark.slow
    ),
    pytest.param(
        "W5_maml_miniimagenet.npz", "golden", 5, marks=pytest.mark.slow
    ),
]


def image_learner(data, file, prefix, steps, dtype, jit=False):
    shape, filters = IMAGES[file]
    use(dtype)
    network = km.backbones.conv4(shape, 5, filters)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return make_maml(data, network, loss, steps, prefix.startswith("fo"), jit)


@pytest.mark.parametrize("file, prefix, steps", IMAGE_CASES)
def test_conv4_in_float64(shared_file, file, prefix, steps):
    with np.load(shared_file("fixtures", file)) as data:
        learner = image_learner(data, file, prefix, steps, "float64")
        check(learner, data, f"{prefix}_s{steps}", "float64", 1e-9, 1e-9)


JIT = pytest.param(True, marks=pytest.mark.slow)


@pytest.mark.parametrize("jit", [False, JIT])
def test_conv4_in_float32(shared_file, jit):
    file = "W1_maml_omniglot.npz"
    with np.load(shared_file("fixtures", file)) as data:
        learner = image_learner(data, file, "golden", 1, "float32", jit)
        check(learner, data, "golden_s1", "float32", 1e-5, 1e-3)


@pytest.mark.slow
def test_conv4_compiled_by_xla(shared_file):
    file = "W1_maml_omniglot.npz"
    with np.load(shared_file("fixtures", file)) as data:
        learner = image_learner(data, file, "golden", 1, "float64", jit=True)
        check(learner, data, "golden_s1", "float64", 1e-9, 1e-9)


@pytest.mark.parametrize(
    "file",
    [
        "W4a_protonet_5way.npz",
        pytest.param("W4b_protonet_60way.npz", marks=pytest.mark.slow),
    ],
)
def test_proto_net_in_float64(shared_file, file):
    with np.load(shared_file("fixtures", file)) as data:
        use("float64")
        backbone = km.backbones.conv4((28, 28, 1))
        learner = km.learners.ProtoNet(backbone)
        assign_weights(backbone, data)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        learner.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss)
        x, query_y = episodes_of(data, "float64")
        loss, _, gradients = tf.function(learner.meta_gradients)(x, query_y)
        np.testing.assert_allclose(loss, data["golden_loss"], rtol=1e-9)
        assert gradient_error(gradients, data, "golden") < 1e-9
