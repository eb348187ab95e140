"""Almost no inner loop."""

import keras

from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.network_head import SplitNetwork
from kerasmeta.learners.network_head import head_variables


@keras.saving.register_keras_serializable(package="kerasmeta")
class ANIL(GradientLearner):
    """Almost no inner loop: only the head of the network adapts.

    Use it in place of `MAML` where the features can serve all tasks, above all
    for images: it is often as accurate, and far cheaper, because the body runs
    once over the support set and once over the queries, however many steps the
    head takes. With the body `f`, the head `h` and the compiled loss `L`,

    `h_0 = h`, `h_{k+1} = h_k - rate * dL(h_k(f(support)))/dh_k`

    and both `f` and `h` are trained to minimise the mean of `L(h_K(f(query)))`
    over tasks, with the exact gradient through all `K` steps.

    Reference: Raghu, Raghu, Bengio and Vinyals, 2020, "Rapid Learning or
    Feature Reuse? Towards Understanding the Effectiveness of MAML",
    arXiv:1909.09157.

    Args:
        network: Built `keras.Model`, `Sequential` or functional, that can be
            cut in two in front of its head.
        head: Name of the first layer of the head; all that follows belongs to
            the head, too. By default the last layer with trainable weights.
        **kwargs: `inner_learning_rate`, `inner_steps` and what else
            `km.learners.MAML` takes.

    Raises:
        ValueError: If there is no such head, the network cannot be cut in
            front of it, or an argument is unsuitable.

    Example:

    >>> network = km.backbones.conv4((28, 28, 1), filters=8, num_classes=5)
    >>> learner = km.learners.ANIL(
    ...     network, inner_learning_rate=0.1, inner_steps=5
    ... )
    >>> [variable.path for variable in learner.fast_variables()]
    ['head/kernel', 'head/bias']
    """

    def __init__(self, network, head=None, **kwargs):
        # The base asks for `fast_variables`.
        self.head = head
        super().__init__(network, **kwargs)
        self._parts = SplitNetwork(network, head)

    def fast_variables(self):
        return head_variables(self.network, self.head)

    def encode(self, x, buffers, training=False):
        weights = [v.value for v in self.network.trainable_variables]
        return self._network_state.call(
            weights, buffers, x, training, part=self._parts.body
        )

    def forward(self, fast_weights, buffers, x, training=False, step=0):
        weights = self._network_state.weights_with(
            self.fast_variables(), fast_weights
        )
        return self._network_state.call(
            weights, buffers, x, training, part=self._parts.head
        )

    def get_config(self):
        return {**super().get_config(), "head": self.head}
