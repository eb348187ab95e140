"""Prototypical networks."""

import keras

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import class_prototypes
from kerasmeta.ops import squared_distances


@keras.saving.register_keras_serializable(package="kerasmeta")
class ProtoNet(EmbeddingLearner):
    """Prototypical networks: classify by the nearest class mean.

    The first thing to try for few-shot classification: fast, accurate, and
    with nothing to tune in the head. With `f` the backbone and `S_n` the
    support examples of class `n`,

    `c_n = mean of f(x) over S_n`, `logits_n = -||f(query) - c_n||^2`

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Snell, Swersky and Zemel, 2017, "Prototypical Networks for
    Few-shot Learning", arXiv:1703.05175.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.ProtoNet(backbone)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def fit_head(self, embeddings, labels, ways, mask=None):
        return {"prototypes": class_prototypes(embeddings, labels, ways, mask)}

    def apply_head(self, state, embeddings):
        return -squared_distances(embeddings, state["prototypes"])
