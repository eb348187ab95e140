"""Body only update in the inner loop."""

import keras

from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.network_head import body_variables


@keras.saving.register_keras_serializable(package="kerasmeta")
class BOIL(GradientLearner):
    """Body only update in the inner loop: all but the head adapts.

    Use it in place of `MAML` where the features have to change with the task,
    as between domains: the fixed head forces the body to move the examples of a
    class to where the head has that class. With the body `f`, the head `h` and
    the compiled loss `L`,

    `f_0 = f`, `f_{k+1} = f_k - rate * dL(h(f_k(support)))/df_k`

    and both `f` and `h` are trained to minimise the mean of `L(h(f_K(query)))`
    over tasks, with the exact gradient through all `K` steps.

    Reference: Oh, Yoo, Kim and Yun, 2021, "BOIL: Towards Representation Change
    for Few-shot Learning", arXiv:2008.08882.

    Args:
        network: Built `keras.Model`: `Sequential`, functional or sub-classed.
        head: Name of the first layer of the head; all that follows in
            `network.layers` belongs to the head, too. By default the last layer
            with trainable weights.
        **kwargs: `inner_learning_rate`, `inner_steps` and what else
            `km.learners.MAML` takes.

    Raises:
        ValueError: If there is no such head, no trainable weight in front of
            it, or an argument is unsuitable.

    Example:

    >>> network = km.backbones.mlp((1,), 1, units=(40, 40))
    >>> learner = km.learners.BOIL(network, inner_learning_rate=0.01)
    >>> len(learner.fast_variables()), len(network.trainable_variables)
    (4, 6)
    """

    def __init__(self, network, head=None, **kwargs):
        # The base asks for `fast_variables`.
        self.head = head
        super().__init__(network, **kwargs)

    def fast_variables(self):
        return body_variables(self.network, self.head)

    def get_config(self):
        return {**super().get_config(), "head": self.head}
