"""Products with a Hessian that is never made."""

import tensorflow as tf


def hessian_vector_product(fn, weights):
    """Return the function that multiplies the Hessian of `fn` by a vector.

    `v -> H v`, with `H = d^2 fn / d weights^2` at `weights`. The function and
    its gradient are computed once, and each product costs one more backward
    pass through the gradient; the memory is that of two gradients. Keras'
    normalization layers need `kerasmeta.ops.exact_gradients` around `fn`.

    Reference: Pearlmutter, 1994, "Fast Exact Multiplication by the Hessian",
    Neural Computation 6.

    Args:
        fn: Function of a list of tensors that returns a scalar.
        weights: List of tensors, the point of the Hessian.

    Returns:
        A function of a list of tensors like `weights`, that returns another.

    Example:

    >>> product = km.ops.hessian_vector_product(
    ...     lambda w: tf.reduce_sum(w[0] ** 3), [tf.constant([1.0, 2.0])]
    ... )
    >>> product([tf.constant([1.0, 10.0])])[0].numpy()
    array([  6., 120.], dtype=float32)
    """
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(weights)
        with tf.GradientTape() as inner:
            inner.watch(weights)
            value = fn(weights)
        gradients = inner.gradient(value, weights, unconnected_gradients="zero")
        # Embedding layers give sparse gradients, which only a tape of first
        # order understands.
        gradients = [tf.convert_to_tensor(g) for g in gradients]

    def product(vectors):
        products = outer.gradient(
            gradients,
            weights,
            output_gradients=vectors,
            unconnected_gradients="zero",
        )
        return [tf.convert_to_tensor(one) for one in products]

    return product
