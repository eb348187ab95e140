"""Baseline: a linear head over a pre-trained backbone."""

import keras
import tensorflow as tf

from kerasmeta.learners.fitted_head_learner import FittedHeadLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class Baseline(FittedHeadLearner):
    """A linear head, fitted to the support set over a pre-trained backbone.

    What everyone does without meta-learning, and what meta-learning has to
    beat. The backbone is pre-trained with plain cross-entropy and frozen; for a
    task, the head minimises the mean cross-entropy of the support set,

    `logits = W f(x) + b`, from `W = 0` and `b = 0`, by `steps` steps of

    `v <- momentum * v + gradient + weight_decay * w`, `w <- w - rate * v`

    The paper draws batches of four and damps its momentum; here each step sees
    the whole support set, so that the order of examples and padding do not
    matter, and 100 steps go about as far.

    To fine-tune *all* weights instead, use `MAML` as it is, with `evaluate`
    alone: its network is the backbone and a head, and `test_inner_steps` the
    number of steps (see the example). `ProtoMAML` does the same with a head
    that begins as the class means, for any number of classes.

    Reference: Chen, Liu, Kira, Wang and Huang, 2019, "A Closer Look at Few-shot
    Classification", arXiv:1904.04232.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        steps: Number of gradient steps.
        learning_rate: Rate of a step, for features of size 1 or so.
        momentum: Share of the last step that is taken again, in [0, 1).
        weight_decay: Weight of the squared norm of the head, halved.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or a number is not
            what it should be.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(60, 16, 16, 1))
    >>> y = np.repeat(np.arange(6), 10)
    >>> backbone = km.backbones.conv4((16, 16, 1), filters=4)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> classifier = keras.Sequential([backbone, keras.layers.Dense(6)])
    >>> classifier.compile("adam", loss)
    >>> history = classifier.fit(x, y, epochs=1, verbose=0)
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.episodes.episodes_from_arrays(
    ...     x, y, spec, batch_size=1, num_episodes=2
    ... )
    >>> backbone.trainable = False
    >>> learner = km.learners.Baseline(backbone, steps=20)
    >>> learner.compile(loss=loss, metrics=["accuracy"])
    >>> sorted(learner.evaluate(episodes, verbose=0, return_dict=True))
    ['accuracy', 'accuracy_ci95', 'loss']

    Fine-tune all weights, from the same start for each task:

    >>> backbone.trainable = True
    >>> head = keras.layers.Dense(5, kernel_initializer="zeros")
    >>> learner = km.learners.MAML(
    ...     keras.Sequential([backbone, head]), inner_learning_rate=0.01,
    ...     test_inner_steps=20, unroll=False, batch_norm="moving",
    ... )
    >>> learner.compile(loss=loss, metrics=["accuracy"])
    >>> sorted(learner.evaluate(episodes, verbose=0, return_dict=True))
    ['accuracy', 'accuracy_ci95', 'loss']
    """

    def initial_head(self, features, labels, ways, mask=None):
        tasks, size = tf.shape(features)[0], features.shape[-1]
        kernel = tf.zeros([tasks, size, ways], features.dtype)
        return kernel, tf.zeros([tasks, 1, ways], features.dtype)

    def head_logits(self, weights, features):
        kernel, bias = weights
        return tf.matmul(features, kernel) + bias

    def head_gradients(self, weights, features, errors):
        return (
            tf.matmul(features, errors, transpose_a=True),
            tf.reduce_sum(errors, axis=1, keepdims=True),
        )
