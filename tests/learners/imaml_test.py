"""iMAML: the meta-gradient of the end of the inner loop, whatever the path."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.imaml import IMAML
from kerasmeta.testing.float64 import copy_in_double_precision
from kerasmeta.testing.float64 import double_precision

# With a regularization of 5, nothing is left of the start of the inner loop.
CONVERGED = dict(inner_learning_rate=0.05, inner_steps=100, unroll=False)


def network(*middle, regularizer=None):
    return keras.Sequential(
        [
            keras.Input((4,)),
            *middle,
            layers.Dense(1, use_bias=False, kernel_regularizer=regularizer),
        ]
    )


def compiled(net, **kwargs):
    learner = IMAML(net, **kwargs)
    learner.compile(keras.optimizers.SGD(0.1), "mse")
    return learner


def episodes(tasks=2):
    generator = np.random.default_rng(0)

    def draw(examples, width):
        values = generator.normal(size=(tasks, examples, width))
        return tf.constant(values, "float32")

    x = {"support_x": draw(8, 4), "support_y": draw(8, 1)}
    return {**x, "query_x": draw(5, 4)}, draw(5, 1)


def double(nest):
    return tf.nest.map_structure(lambda t: tf.cast(t, "float64"), nest)


def gradients_of(learner, x, query_y, compiled_graph=True):
    """The meta-gradients of a copy of the learner in float64."""
    with double_precision():
        copy = copy_in_double_precision(learner)
        run = copy.meta_gradients
        run = tf.function(run) if compiled_graph else run
        return run(double(x), double(query_y))[2]


def solved(kernel, x, query_y, regularization, penalty=0.0, damping=0.0):
    """Solve the tasks of a linear network by hand.

    Returns:
        `(query gradient, meta-gradient)`, means over tasks, at the solutions
        of `mean((X u - y)^2) + penalty |u|^2 + regularization/2 |u - w|^2`.
    """
    direct, implicit = [], []
    tasks = zip(*double([*(x[k] for k in sorted(x)), query_y]))
    for query_x, support_x, support_y, target in tasks:
        a, b = support_x.numpy(), support_y.numpy()
        identity = np.eye(len(kernel))
        hessian = 2 * a.T @ a / len(a) + 2 * penalty * identity
        system = hessian + regularization * identity
        end = np.linalg.solve(
            system, 2 * a.T @ b / len(a) + regularization * kernel
        )
        q = query_x.numpy()
        gradient = 2 * q.T @ (q @ end - target.numpy()) / len(q)
        gradient += 2 * penalty * end
        direct.append(gradient)
        damped = identity + hessian / (regularization + damping)
        implicit.append(np.linalg.solve(damped, gradient))
    return np.mean(direct, axis=0), np.mean(implicit, axis=0)


@pytest.mark.parametrize("penalty", [0.0, 0.1])
@pytest.mark.parametrize("compiled_graph", [True, False])
def test_of_linear_regression_is_the_derivative_of_the_solution(
    penalty, compiled_graph
):
    regularizer = keras.regularizers.L2(penalty) if penalty else None
    net = network(regularizer=regularizer)
    learner = compiled(net, regularization=5.0, cg_steps=4, **CONVERGED)
    x, query_y = episodes()
    (gradient,) = gradients_of(learner, x, query_y, compiled_graph)
    (kernel,) = net.get_weights()
    _, expected = solved(kernel.astype("float64"), x, query_y, 5.0, penalty)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9)


def test_damping_is_in_the_system_alone():
    net = network()
    options = {"regularization": 5.0, "cg_steps": 4, "damping": 10.0}
    learner = compiled(net, **options, **CONVERGED)
    x, query_y = episodes()
    (gradient,) = gradients_of(learner, x, query_y)
    (kernel,) = net.get_weights()
    start = kernel.astype("float64")
    _, expected = solved(start, x, query_y, 5.0, damping=10.0)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9)


def test_first_order_is_the_gradient_at_the_solution():
    net = network()
    learner = compiled(net, regularization=5.0, first_order=True, **CONVERGED)
    x, query_y = episodes()
    (kernel,) = net.get_weights()
    expected, _ = solved(kernel.astype("float64"), x, query_y, 5.0)
    (gradient,) = gradients_of(learner, x, query_y)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_second_order_after_begins_at_first_order():
    learner = compiled(
        network(), regularization=5.0, second_order_after=1, **CONVERGED
    )
    run = tf.function(learner.meta_gradients)
    data = episodes()
    learner.optimizer.build(learner.trainable_variables)
    before = run(*data)[2][0].numpy()
    learner.optimizer.iterations.assign(1)
    after = run(*data)[2][0].numpy()
    (kernel,) = learner.network.get_weights()
    for received, expected in zip(
        (before, after), solved(kernel.astype("float64"), *data, 5.0)
    ):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "norm, batch_norm",
    [
        ("Batch", "inductive"),
        ("Batch", "transductive"),
        ("Batch", "moving"),
        ("Layer", "transductive"),
    ],
)
def test_is_exact_where_the_inner_loop_has_converged(norm, batch_norm):
    keras.utils.set_random_seed(0)
    net = network(
        layers.Dense(6),
        getattr(layers, f"{norm}Normalization")(),
        layers.Activation("tanh"),
    )
    learner = compiled(
        net,
        regularization=10.0,
        cg_steps=10,
        batch_norm=batch_norm,
        **CONVERGED,
    )
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_padding_teaches_nothing():
    x, query_y = episodes()
    mask = tf.constant([[True, True, False, True, True, False, True, True]] * 2)
    spoiled = tf.where(mask[..., None], x["support_y"], 1e6)
    learner = compiled(network(), inner_steps=10, inner_learning_rate=0.1)
    run = tf.function(learner.meta_gradients)
    results = [
        run({**x, "support_y": y, "support_mask": mask}, query_y)[2][0]
        for y in (x["support_y"], spoiled)
    ]
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_the_path_does_not_matter():
    keras.utils.set_random_seed(0)
    net = network(layers.Dense(3, "tanh"))
    data = episodes()
    options = {**CONVERGED, "regularization": 5.0, "cg_steps": 3}
    momentum = km.inner_optimizers.Momentum(0.05, 0.5)
    first, second = [
        gradients_of(compiled(net, inner_optimizer=optimizer, **options), *data)
        for optimizer in (None, momentum)
    ]
    for one, other in zip(first, second):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_graph_does_not_grow_with_the_steps():
    # Nothing of the inner loop is kept, so a loop of steps needs no stacks.
    learner = compiled(network(layers.Dense(3, "tanh")), **CONVERGED)
    concrete = tf.function(learner.meta_gradients).get_concrete_function(
        *episodes()
    )
    bodies = [concrete.graph.as_graph_def()]
    names = {
        node.op
        for definition in bodies
        for function in definition.library.function
        for node in function.node_def
    } | {node.op for node in bodies[0].node}
    assert "While" in names or "StatelessWhile" in names
    assert not any(name.startswith("TensorListPush") for name in names)


def test_save_and_load(tmp_path):
    options = {"regularization": 4.0, "cg_steps": 3, "damping": 1.5}
    learner = compiled(network(), inner_steps=2, **options)
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert options.items() <= loaded.get_config().items()
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
    )


@keras.saving.register_keras_serializable(package="imaml_test")
class LearnedRate(km.inner_optimizers.InnerOptimizer):
    def build_for(self, weights, steps=1):
        self.rate = self.add_weight(shape=(), initializer="ones")
        super().build_for(weights, steps)

    def step(self, weights, gradients, state, step, loss=None):
        return [w - self.rate * g for w, g in zip(weights, gradients)], state


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"regularization": 0}, "Received: regularization=0"),
        ({"cg_steps": 0}, "Received: cg_steps=0"),
        ({"damping": -1.0}, "Received: damping=-1.0"),
        ({"damping": None}, "Received: damping=None"),
        ({"inner_optimizer": LearnedRate()}, "`IMAML` does not differentiate"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        IMAML(network(), **kwargs)
