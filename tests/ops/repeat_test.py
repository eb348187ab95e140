import numpy as np
import tensorflow as tf

import kerasmeta as km


def test_takes_steps_of_a_nest():
    state = {"a": tf.constant([1.0, 2.0]), "b": tf.constant(0)}

    def step(state):
        return {"a": 3 * state["a"], "b": state["b"] + 1}

    received = km.ops.repeat(step, 4, state)
    np.testing.assert_array_equal(received["a"], [81, 162])
    assert int(received["b"]) == 4


def test_is_differentiable_in_a_graph_of_unknown_shapes():
    @tf.function(input_signature=[tf.TensorSpec([None])])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = km.ops.repeat(lambda y: tf.reshape(y * y, [-1]), 3, x)
        return tape.gradient(y, x)

    x = np.array([1.1, 0.9], "float32")
    np.testing.assert_allclose(gradient(x), 8 * x**7, rtol=1e-5)
