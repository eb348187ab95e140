"""Functions whose derivatives are those of an expected return."""

import tensorflow as tf

from kerasmeta.rl.advantages import discounted_sums


def surrogate(log_probs, advantages, memory):
    """Return terms whose derivatives, of any order, are policy gradients.

    `sum_t (m(c_t) - m(c_t - log p_t)) A_t`, with
    `c_t = sum_{s <= t} memory^(t - s) log p_s` and `m(x) = exp(x - x)`, the
    second `x` a constant.

    Its gradient is `sum_t A_t grad log p_t`. Differentiating this once more
    would leave out that another policy visits other trajectories; the
    derivative of the surrogate has that term. With a memory of 1 it is exact
    in expectation; with 0 it counts only that an action becomes more likely at
    its own step, which has far less variance.

    Reference: Farquhar, Whiteson and Foerster, 2019, "Loaded DiCE: Trading off
    Bias and Variance in Any-Order Score Function Gradient Estimators for
    Reinforcement Learning", arXiv:1909.10549; with a memory of 1 Foerster et
    al., 2018, "DiCE", arXiv:1802.05098, and with 0 Rothfuss et al., 2019,
    "ProMP: Proximal Meta-Policy Search", arXiv:1810.06784.

    Args:
        log_probs: Of the actions taken, `[H, ...]`.
        advantages: `[H, ...]`, constants, zero after the end of an episode.
        memory: Number in 0..1.

    Returns:
        The term of each step, `[H, ...]`; each is zero.
    """
    until = discounted_sums(log_probs, memory, is_past=True)
    return (_magic(until) - _magic(until - log_probs)) * advantages


def _magic(x):
    return tf.exp(x - tf.stop_gradient(x))
