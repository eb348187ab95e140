"""Prototypical networks."""

import keras

from kerasmeta.layers.temperature import Temperature
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import class_prototypes
from kerasmeta.ops import cosine_similarities
from kerasmeta.ops import squared_distances
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class ProtoNet(EmbeddingLearner):
    """Prototypical networks: classify by the nearest class mean.

    The first thing to try for few-shot classification: fast, accurate, and
    with nothing to tune in the head. With `f` the backbone and `S_n` the
    support examples of class `n`,

    `c_n = mean of f(x) over S_n`,
    `logits_n = -||f(query) - c_n||^2 / temperature`, or, with
    `distance="cosine"`, `logits_n = cos(f(query), c_n) / temperature`

    The paper's temperature is 1. Cosines need one of about 0.1, or a learned
    one, to be more than a weak preference.

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Snell, Swersky and Zemel, 2017, "Prototypical Networks for
    Few-shot Learning", arXiv:1703.05175.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        distance: `"squared_euclidean"` or `"cosine"`.
        temperature: Positive number, at the beginning if it is learned.
        learn_temperature: Whether it is learned.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model or an argument is
            unsuitable.

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

    def __init__(
        self,
        backbone,
        ways=None,
        distance="squared_euclidean",
        temperature=1.0,
        learn_temperature=False,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.distance = check_choice(
            "distance", distance, ("squared_euclidean", "cosine")
        )
        self.temperature = check_positive_number("temperature", temperature)
        self.learn_temperature = learn_temperature
        self.rescale = Temperature(
            temperature, learn_temperature, dtype=self.variable_dtype
        )

    def fit_head(self, embeddings, labels, ways, mask=None):
        return {"prototypes": class_prototypes(embeddings, labels, ways, mask)}

    def apply_head(self, state, embeddings):
        if self.distance == "cosine":
            scores = cosine_similarities(embeddings, state["prototypes"])
        else:
            scores = -squared_distances(embeddings, state["prototypes"])
        return self.rescale(scores)

    def get_config(self):
        return {
            **super().get_config(),
            "distance": self.distance,
            "temperature": self.temperature,
            "learn_temperature": self.learn_temperature,
        }
