"""Episodes from several sources, in given proportions."""

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.episode_stream import EpisodeStream
from kerasmeta.episodes.episode_stream import get_stream
from kerasmeta.episodes.pipeline import stream_dataset
from kerasmeta.utils import check_seed
from kerasmeta.utils.split_mix import stream_keys
from kerasmeta.utils.split_mix import uniforms


def mix_episodes(
    datasets,
    weights=None,
    batch_size=4,
    seed=0,
    num_episodes=None,
    first_episode=0,
    shard=(0, 1),
):
    """Make a dataset whose episodes come from several datasets.

    Use it to train on several domains at once. Each episode comes from one of
    the datasets, chosen at random; a meta-batch mixes them. It remains a pure
    function of `(seed, index)`.

    Args:
        datasets: List of datasets made by `episodes_from_*` or
            `*_episodes_from_directory`, with the same spec and shapes. They are
            taken as endless streams: their own batch sizes, numbers of
            episodes and shards do not matter.
        weights: Positive numbers, how often each is chosen relative to the
            others; by default equally often.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer, of the choice between the datasets.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        first_episode: Index of the first episode.
        shard: `(worker, number of workers)`.

    Returns:
        A `tf.data.Dataset` of `(x, query_y)`, as the given ones.

    Raises:
        ValueError: If the datasets are not of episodes or differ in sizes, or
            the weights do not match them.

    Example:

    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
    >>> y = np.repeat([0, 1, 2], 5)
    >>> a, b = np.zeros((15, 3)), np.ones((15, 3))
    >>> data = km.episodes.mix_episodes(
    ...     [km.episodes.episodes_from_arrays(x, y, spec) for x in (a, b)],
    ...     weights=[1, 3], batch_size=100,
    ... )
    >>> x, query_y = next(iter(data))
    >>> bool(0.6 < tf.reduce_mean(x["query_x"]) < 0.9)
    True
    """
    stream = MixtureStream(datasets, weights, seed)
    return stream_dataset(
        stream, batch_size, num_episodes, first_episode, shard
    )


class MixtureStream:
    """Episodes of several streams, as a pure function of their index.

    Args:
        datasets: List of datasets of episodes.
        weights: Positive numbers, one a dataset, or `None`.
        seed: Non-negative integer.
    """

    def __init__(self, datasets, weights, seed):
        self.streams = [get_stream(dataset) for dataset in datasets]
        for stream in self.streams:
            # Not those of a manifest either, which end.
            if type(stream) is not EpisodeStream:
                raise ValueError(
                    "Only datasets as `episodes_from_*` made them can be "
                    "mixed. For a mixture of mixtures, mix their datasets with "
                    "the products of the weights. "
                    f"Received: {type(stream).__name__}"
                )
        self._limits = _check_weights(weights, len(self.streams))
        self.spec = self.streams[0].spec
        self._elements = _common_elements(datasets, self.streams)
        self.seed = check_seed(seed)
        self.chunk = min(stream.chunk for stream in self.streams)

    def draw(self, indices):
        """Draw from every stream, and which of them is meant."""
        keys = stream_keys(tf.constant(self.seed, "int64"), indices, salt=4)
        chosen = tf.searchsorted(self._limits, uniforms(keys, 1)[:, 0], "right")
        drawn = [stream.draw(indices) for stream in self.streams]
        return {"chosen": chosen, "drawn": tuple(drawn)}

    def load(self, drawn):
        """Return the episodes `(x, query_y)` that were drawn."""

        def load_one(one):
            return tf.switch_case(
                one["chosen"],
                [
                    lambda i=i: _load_one(self.streams[i], one["drawn"][i])
                    for i in range(len(self.streams))
                ],
            )

        return tf.map_fn(load_one, drawn, fn_output_signature=self._elements)


def _load_one(stream, drawn):
    batch = tf.nest.map_structure(lambda t: t[None], drawn)
    return tf.nest.map_structure(lambda t: t[0], stream.load(batch))


def _common_elements(datasets, streams):
    """Return the specs of one episode, which must agree."""
    specs = [
        tf.nest.map_structure(
            lambda t: tf.TensorSpec(t.shape[1:], t.dtype), dataset.element_spec
        )
        for dataset in datasets
    ]
    for i, (stream, spec) in enumerate(zip(streams, specs)):
        if stream.spec != streams[0].spec or str(spec) != str(specs[0]):
            raise ValueError(
                "Datasets that are mixed must have examples of the same shape: "
                "give them the same spec. Received: "
                f"{streams[0].spec} and {specs[0]} from the first, "
                f"{stream.spec} and {spec} from datasets[{i}]"
            )
    return specs[0]


def _check_weights(weights, count):
    """Return where the share of each dataset ends, but the last."""
    if not count:
        raise ValueError("`datasets` must not be empty. Received: datasets=[]")
    weights = np.ones(count) if weights is None else np.asarray(weights)
    is_number = weights.dtype.kind in "iuf" and weights.shape == (count,)
    if not is_number or not np.all((weights > 0) & np.isfinite(weights)):
        raise ValueError(
            "`weights` must be positive numbers, one for each of the "
            f"{count} datasets. Received: weights={weights.tolist()}"
        )
    limits = np.cumsum(weights)[:-1] / weights.sum()
    return tf.constant(limits, "float32")
