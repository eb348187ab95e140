"""The replacements against the operations of TensorFlow that they replace."""

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.export.builtin_graph import with_builtin_ops
from kerasmeta.export.builtin_ops import REPLACEMENTS


def random(*shape, seed=0):
    return tf.random.stateless_normal(shape, (seed, 0))


def compare(kind, inputs, *, outputs=1, **attributes):
    """Compare the first outputs of an operation and of its replacement."""
    run = getattr(tf.raw_ops, kind)
    # A list is a constant of the graph.
    tensors = {k: v for k, v in inputs.items() if tf.is_tensor(v)}

    @tf.function(autograph=False)
    def call(*values):
        return run(**{**inputs, **dict(zip(tensors, values))}, **attributes)

    concrete = call.get_concrete_function(*tensors.values())
    operations = concrete.graph.get_operations()
    (op,) = [op for op in operations if op.type == kind]
    received = REPLACEMENTS[kind](op, *inputs.values())
    expected = tf.nest.flatten(concrete(*tensors.values()))
    assert len(received) == len(op.outputs)
    for one, other in list(zip(received, expected))[:outputs]:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_relu_grad():
    features = tf.constant([-1.0, 0.0, 2.0])
    inputs = {"gradients": random(3), "features": features}
    compare("ReluGrad", inputs)


@pytest.mark.parametrize("kind", ["LeakyRelu", "Relu6", "Elu", "Softsign"])
def test_gradients_of_activations(kind):
    values = tf.constant([-3.0, -0.5, 0.0, 0.5, 6.0, 7.0])
    if kind == "Elu":  # Of the outputs, not of the features.
        values = tf.nn.elu(values)
    name = "outputs" if kind == "Elu" else "features"
    attributes = {"alpha": 0.3} if kind == "LeakyRelu" else {}
    inputs = {"gradients": random(6), name: values}
    compare(f"{kind}Grad", inputs, **attributes)


@pytest.mark.parametrize("is_training", [True, False])
def test_batch_norm(is_training):
    x = 2.0 + 3.0 * random(2, 3, 4, 5)
    statistics = [random(5, seed=3), tf.exp(random(5, seed=4))]
    if is_training:
        statistics = [tf.zeros([0]), tf.zeros([0])]
    names = ("x", "scale", "offset", "mean", "variance")
    values = [x, random(5, seed=1), random(5, seed=2), *statistics]
    options = dict(
        epsilon=1e-2, is_training=is_training, exponential_avg_factor=1.0
    )
    inputs = dict(zip(names, values))
    compare("FusedBatchNormV3", inputs, outputs=3, **options)
    forward = tf.raw_ops.FusedBatchNormV3(**inputs, **options)
    names = ("y_backprop", "x", "scale")
    gradient = dict(zip(names, (random(2, 3, 4, 5, seed=5), *values[:2])))
    for number in (1, 2, 3):
        name = f"reserve_space_{number}"
        gradient[name] = getattr(forward, name)
    del options["exponential_avg_factor"]
    compare("FusedBatchNormGradV3", gradient, outputs=3, **options)


@pytest.mark.parametrize("has_ties", [False, True])
@pytest.mark.parametrize(
    "padding, size, stride",
    [("SAME", 2, 2), ("VALID", 2, 2), ("SAME", 3, 2), ("VALID", 3, 1)]
    + [("SAME", 2, 3)],
)
def test_max_pool_grad(padding, size, stride, has_ties):
    x = random(2, 7, 8, 3) - 5.0
    if has_ties:
        x = tf.round(x)
    options = dict(
        ksize=[1, size, size, 1],
        strides=[1, stride, stride, 1],
        padding=padding,
    )
    y = tf.raw_ops.MaxPool(input=x, **options)
    gradient = random(*y.shape, seed=1)
    inputs = {"orig_input": x, "orig_output": y, "grad": gradient}
    compare("MaxPoolGrad", inputs, **options)


@pytest.mark.parametrize(
    "padding, size, stride",
    [("SAME", 2, 2), ("VALID", 2, 2), ("SAME", 3, 2), ("VALID", 3, 1)]
    + [("SAME", 2, 3)],
)
def test_average_pool_grad(padding, size, stride):
    x = random(2, 7, 8, 3)
    options = dict(
        ksize=[1, size, size, 1],
        strides=[1, stride, stride, 1],
        padding=padding,
    )
    y = tf.raw_ops.AvgPool(value=x, **options)
    inputs = {
        "orig_input_shape": x.shape.as_list(),
        "grad": random(*y.shape, seed=1),
    }
    compare("AvgPoolGrad", inputs, **options)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(
    "padding, stride",
    [("SAME", 1), ("SAME", 2), ("VALID", 1), ("VALID", 3)]
    + [("EXPLICIT", 1), ("EXPLICIT", 2)],
)
def test_depthwise_grads(padding, stride, multiplier):
    """Without dilations: TensorFlow rearranges images in their place."""
    x, filters = random(2, 9, 8, 3), random(3, 2, 3, multiplier)
    options = dict(
        strides=[1, stride, stride, 1],
        padding=padding,
    )
    if padding == "EXPLICIT":
        options["explicit_paddings"] = [0, 0, 1, 2, 2, 0, 0, 0]
    kind = "DepthwiseConv2dNative"
    y = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=filters, **options)
    gradient = {"out_backprop": random(*y.shape, seed=1)}
    inputs = {"input": x, "filter_sizes": filters.shape.as_list(), **gradient}
    compare(f"{kind}BackpropFilter", inputs, **options)
    inputs = {"input_sizes": x.shape.as_list(), "filter": filters, **gradient}
    compare(f"{kind}BackpropInput", inputs, **options)


@pytest.mark.parametrize(
    "padding, stride, dilation",
    [
        ("SAME", 1, 1),
        ("SAME", 2, 1),
        ("SAME", 3, 1),
        ("SAME", 1, 2),
        ("VALID", 1, 1),
        ("VALID", 3, 1),
        ("VALID", 1, 2),
        ("EXPLICIT", 1, 1),
        ("EXPLICIT", 2, 1),
    ],
)
def test_conv_filter_grad(padding, stride, dilation):
    x, filters = random(2, 9, 8, 3), random(3, 2, 3, 4)
    options = dict(
        strides=[1, stride, stride, 1],
        padding=padding,
        dilations=[1, dilation, dilation, 1],
    )
    if padding == "EXPLICIT":
        options["explicit_paddings"] = [0, 0, 1, 2, 2, 0, 0, 0]
    y = tf.raw_ops.Conv2D(input=x, filter=filters, **options)
    inputs = {
        "input": x,
        "filter_sizes": filters.shape.as_list(),
        "out_backprop": random(*y.shape, seed=1),
    }
    compare("Conv2DBackpropFilter", inputs, **options)


@pytest.mark.parametrize("adjoint", [False, True])
def test_matrix_solve(adjoint):
    # Zeros where pivots would be, were rows not chosen.
    matrix = random(3, 2, 5, 5) * (1.0 - tf.eye(5))
    matrix = tf.concat([matrix, tf.roll(1e3 * matrix, 2, axis=-1)], axis=0)
    inputs = {"matrix": matrix, "rhs": random(6, 2, 5, 3, seed=1)}
    compare("MatrixSolve", inputs, adjoint=adjoint)


def test_a_graph_computes_the_same_without_them():
    weight = tf.Variable(random(3, 3, 1, 2))

    @tf.function
    def gradients(**tensors):
        x, scale = tensors["x"], tensors["scale"]
        with tf.GradientTape() as tape:
            y = tf.nn.relu(tf.nn.conv2d(x, weight, 1, "SAME"))
            y = tf.nn.max_pool2d(y, 2, 2, "VALID") * scale
        return {"gradient": tape.gradient(y, weight), "y": y}

    x, scale = random(2, 6, 6, 1), tf.constant(3.0)
    specs = {
        "nothing": tf.TensorSpec([], name="nothing"),
        "scale": tf.TensorSpec([], name="scale"),
        "x": tf.TensorSpec(x.shape, name="x"),
    }
    concrete = gradients.get_concrete_function(**specs)
    replaced = with_builtin_ops(concrete)
    kinds = {op.type for op in concrete.graph.get_operations()}
    left = {op.type for op in replaced.graph.get_operations()}
    assert kinds & set(REPLACEMENTS)
    assert not left & set(REPLACEMENTS)
    weight.assign_add(tf.ones_like(weight))  # Variables are still read.
    inputs = {"nothing": scale, "scale": scale, "x": x}
    expected = concrete(**inputs)
    received = replaced(**inputs)
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, rtol=1e-5, atol=1e-5)
