"""Fast context adaptation."""

import keras
import tensorflow as tf

from kerasmeta.learners.adapted_learner import adapt_learner
from kerasmeta.learners.context_network import context_size
from kerasmeta.learners.context_network import with_context
from kerasmeta.learners.gradient_learner import GradientLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class CAVIA(GradientLearner):
    """Fast context adaptation: only a small context vector is adapted.

    Use it where tasks differ in a few respects, to learn them with large steps
    and little overfitting: what a task needs is a few numbers, and the network
    is the same for all tasks. The network takes a pair `[x, context]`; the
    context of a task begins at zero, and only it moves,

    `c_0 = 0`, `c_{k+1} = c_k - rate * dL(support; c_k, w)/dc_k`

    while the weights `w` are trained on the mean of `L(query; c_K, w)`. Where
    the context enters is up to the network: concatenate it to the inputs, as
    the paper does for regression, or use `km.layers.FiLM`, as it does for
    images.

    The defaults are those of the paper's regression: a rate of 1.0 and one
    step; its classification takes two steps. The paper's FiLM has no `1 +`: its
    scale is `A c + b` with `b` near zero, so that features are small at first
    and a context moves them much. With `km.layers.FiLM` begin with a rate of
    about 10.

    Reference: Zintgraf, Shiarlis, Kurin, Hofmann and Whiteson, 2019, "Fast
    Context Adaptation via Meta-Learning", arXiv:1810.03642.

    Args:
        network: Built `keras.Model` of a pair: examples `[n, ...]`, or a nest,
            and a context `[n, context_size]`.
        inner_learning_rate: Positive number, the rate of gradient descent on
            the context.
        **kwargs: `inner_steps`, `first_order`, `inner_optimizer`,
            `inner_loss`, `batch_norm`, `test_inner_steps`,
            `second_order_after`, `rematerialize` and `unroll`, as for `MAML`;
            `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the network does not take such a pair or an argument is
            unsuitable.

    Example:

    >>> x, context = keras.Input((1,)), keras.Input((5,))
    >>> both = keras.layers.Concatenate()([x, context])
    >>> hidden = keras.layers.Dense(40, "relu")(both)
    >>> network = keras.Model([x, context], keras.layers.Dense(1)(hidden))
    >>> learner = km.learners.CAVIA(network)
    >>> learner.context_size
    5
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> model = learner.adapted_model([[0.0], [1.0]], [[0.0], [0.8]])
    >>> model.predict(np.array([[0.5]]), verbose=0).shape
    (1, 1)
    """

    def __init__(self, network, inner_learning_rate=1.0, **kwargs):
        super().__init__(network, inner_learning_rate, **kwargs)

    @property
    def context_size(self):
        """The length of the context vector."""
        return context_size(self.network)

    def initial_fast_weights(
        self, support_x=None, support_y=None, support_mask=None
    ):
        return [tf.zeros([self.context_size], self.variable_dtype)]

    def forward(self, fast_weights, buffers, x, training=False, step=0):
        slow = [v.value for v in self.network.trainable_variables]
        pair = with_context(x, fast_weights[0])
        return self._network_state.call(slow, buffers, pair, training)

    def adapted_model(self, support_x, support_y, support_mask=None):
        return adapt_learner(self, support_x, support_y, support_mask)

    def network_input(self, x):
        return with_context(x, self.initial_fast_weights()[0])
