"""SimpleShot: nearest centroids of centered and normalized features."""

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import class_prototypes
from kerasmeta.ops import squared_distances


@keras.saving.register_keras_serializable(package="kerasmeta")
class SimpleShot(EmbeddingLearner):
    """Nearest class mean of centered and normalized features.

    The baseline to beat: pre-train a backbone with plain cross-entropy on the
    training classes, freeze it, and change nothing but the features. With `f`
    the backbone, `m` the mean of `f` over the *training* examples, and `S_n`
    the support examples of class `n`,

    `z(x) = (f(x) - m) / ||f(x) - m||`, `c_n = mean of z over S_n`,
    `logits_n = -||z(query) - c_n||^2`

    With a mean it is the paper's CL2N, without it L2N.

    Reference: Wang, Chao, Weinberger and van der Maaten, 2019, "SimpleShot:
    Revisiting Nearest-Neighbor Classification for Few-Shot Learning",
    arXiv:1911.04623.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        base_mean: Mean embedding of the training examples, `[D]`, which is a
            constant of the learner; or `None`, not to center.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or `base_mean` does
            not have a finite number for each feature.

    Example:

    Pre-train as ever, keep the backbone, and judge it on episodes:

    >>> x = np.random.default_rng(0).normal(size=(60, 16, 16, 1))
    >>> y = np.repeat(np.arange(6), 10)
    >>> backbone = km.backbones.conv4((16, 16, 1), filters=4)
    >>> classifier = keras.Sequential([backbone, keras.layers.Dense(6)])
    >>> classifier.compile(
    ...     "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ... )
    >>> history = classifier.fit(x, y, epochs=1, verbose=0)
    >>> backbone.trainable = False
    >>> mean = km.evaluation.embed(backbone, x).mean(axis=0)
    >>> learner = km.learners.SimpleShot(backbone, base_mean=mean)
    >>> learner.compile(
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.episodes.episodes_from_arrays(
    ...     x, y, spec, num_episodes=8
    ... )
    >>> sorted(learner.evaluate(episodes, verbose=0, return_dict=True))
    ['accuracy', 'accuracy_ci95', 'loss']
    """

    def __init__(self, backbone, ways=None, base_mean=None, **kwargs):
        super().__init__(backbone, ways, **kwargs)
        if base_mean is not None:
            base_mean = _check_mean(base_mean, embedding_size(backbone))
        self.base_mean = base_mean

    def fit_head(self, embeddings, labels, ways, mask=None):
        features = self._transform(embeddings)
        return {"centroids": class_prototypes(features, labels, ways, mask)}

    def apply_head(self, state, embeddings):
        features = self._transform(embeddings)
        return -squared_distances(features, state["centroids"])

    def _transform(self, embeddings):
        if self.base_mean is not None:
            embeddings -= tf.constant(list(self.base_mean), embeddings.dtype)
        return tf.math.l2_normalize(embeddings, axis=-1)

    def get_config(self):
        mean = self.base_mean
        return {
            **super().get_config(),
            "base_mean": None if mean is None else list(mean),
        }


def _check_mean(mean, size):
    mean = np.asarray(mean)
    is_number = mean.dtype.kind in "iuf"
    if mean.shape != (size,) or not is_number or not np.isfinite(mean).all():
        raise ValueError(
            "`base_mean` must be the mean embedding of the training examples, "
            f"{size} finite numbers: `km.evaluation.embed(backbone, x)"
            f".mean(axis=0)`. Received: base_mean of shape {mean.shape}"
            + (", some not finite" if mean.shape == (size,) else "")
        )
    return mean.astype("float64").tolist()
