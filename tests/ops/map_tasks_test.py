import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

KERNEL = tf.constant(
    np.random.default_rng(0).normal(size=(3, 3, 1, 2)), "float32"
)


def dense(task):
    return {"sum": tf.reduce_sum(task["x"]), "id": task["id"] + 1}


def conv(task):
    outputs = tf.nn.conv2d(task["x"], KERNEL, 1, "SAME")
    return {"sum": tf.reduce_sum(outputs), "id": task["id"] + 1}


def tasks(count):
    x = np.random.default_rng(1).normal(size=(count, 2, 4, 4, 1))
    return {"x": tf.constant(x, "float32"), "id": tf.range(count)}


@pytest.mark.parametrize("fn", [dense, conv])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("run", [lambda f: f, tf.function])
def test_every_mode_is_a_loop(fn, count, run):
    batch = tasks(count)
    received = run(lambda batch: km.ops.map_tasks(fn, batch))(batch)
    for i in range(count):
        expected = fn(km.ops.task_at(batch, i))
        np.testing.assert_allclose(
            received["sum"][i], expected["sum"], rtol=1e-4, atol=1e-5
        )
        assert received["id"][i] == expected["id"]


@pytest.mark.parametrize("fn, loop", [(dense, False), (conv, True)])
def test_convolutions_run_one_task_after_another(fn, loop):
    run = tf.function(lambda batch: km.ops.map_tasks(fn, batch))
    graph = run.get_concrete_function(tasks(3)).graph
    kinds = {op.type for op in graph.get_operations()}
    assert bool(kinds & {"While", "StatelessWhile"}) == loop


def test_number_of_tasks_may_be_unknown():
    spec = {
        "x": tf.TensorSpec([None, 2, 4, 4, 1]),
        "id": tf.TensorSpec([None], "int32"),
    }
    run = tf.function(
        lambda batch: km.ops.map_tasks(conv, batch), input_signature=[spec]
    )
    assert run(tasks(5))["id"].numpy().tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("fn", [dense, conv])
def test_variables_read_within_a_task_get_their_gradient(fn):
    variable = tf.Variable(2.0)

    @tf.function
    def gradient(batch):
        with tf.GradientTape() as tape:
            sums = km.ops.map_tasks(
                lambda task: variable**2 * fn(task)["sum"], batch
            )
        return sums, tape.gradient(sums, variable)

    sums, slope = gradient(tasks(3))
    np.testing.assert_allclose(slope, tf.reduce_sum(sums), rtol=1e-5)
