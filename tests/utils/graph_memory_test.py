"""Estimates of memory where it can be counted by hand."""

import tensorflow as tf

from kerasmeta.utils import peak_bytes

MEGABYTE = tf.TensorSpec([1024, 256])


def peak(fn, *specs):
    graph = tf.function(fn).get_concrete_function(*specs).graph
    return peak_bytes(graph) / 2**20


def test_what_is_needed_later_stays():
    def fn(x):
        a = tf.sin(x)
        b = tf.sin(a)
        return tf.tanh(b) * a

    # a, b and tanh(b), or a and tanh(b) and nothing new for the product.
    assert abs(peak(fn, MEGABYTE) - 3) < 0.1


def test_what_is_not_needed_is_freed_and_views_are_free():
    def fn(x):
        for _ in range(10):
            x = tf.reshape(tf.sin(x), x.shape)
        return x

    assert abs(peak(fn, MEGABYTE) - 2) < 0.1


def test_a_gradient_keeps_each_step():
    def fn(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for _ in range(10):
                y = tf.sin(y)
        return tape.gradient(y, x)

    assert 10 <= peak(fn, MEGABYTE) <= 22


def test_loops_stack_what_their_gradient_needs():
    def fn(x, steps):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.while_loop(
                lambda i, y: i < steps,
                lambda i, y: (i + 1, tf.sin(y)),
                (0, x),
                maximum_iterations=steps,
                parallel_iterations=1,
            )[1]
        return tape.gradient(y, x)

    ten = peak(lambda x: fn(x, 10), MEGABYTE)
    twenty = peak(lambda x: fn(x, 20), MEGABYTE)
    assert 9.5 <= twenty - ten <= 10.5


def test_results_that_nobody_uses_do_not_count():
    def fn(x):
        for _ in range(10):
            tf.sin(x)
        return tf.cos(x)

    assert abs(peak(fn, MEGABYTE) - 1) < 0.1


def test_of_branches_the_one_that_takes_most_counts():
    def small(x):
        return tf.sin(x)

    def large(x):
        return tf.tanh(tf.concat([x] * 4, axis=0))[:1024]

    def condition(x, first, other):
        return tf.cond(x[0, 0] > 0, lambda: first(x), lambda: other(x))

    def case(x):
        branches = [lambda: small(x), lambda: large(x), lambda: small(x)]
        return tf.switch_case(tf.cast(x[0, 0], "int32"), branches)

    expected = peak(large, MEGABYTE)
    assert expected > 4
    for fn in (
        case,
        lambda x: condition(x, small, large),
        lambda x: condition(x, large, small),
        lambda x: tf.cond(x[1, 0] > 0, lambda: small(x), lambda: case(x)),
    ):
        assert abs(peak(fn, MEGABYTE) - expected) < 0.1
