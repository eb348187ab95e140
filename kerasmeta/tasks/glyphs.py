"""An endless family of handwritten characters."""

import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_function
from kerasmeta.tasks.ink import inked
from kerasmeta.tasks.strokes import pen_paths
from kerasmeta.utils import check_choice

_SPLITS = ("train", "validation", "test")


class Glyphs:
    """Handwritten characters of invented alphabets, without a download.

    Use it to try a few-shot classifier at once, in tests and in teaching, or
    wherever Omniglot would do but must not run out: there are as many classes
    as integers, and as many drawings of each. A class is a random program of
    one to five pen strokes. An example is one drawing of it by one drawer,
    with an unsteady hand, a slant, a size and a pen of the drawer's own. The
    drawings are 28x28 pixels, bright ink on black, made on the fly.

    The splits have no class in common: class `k` of split number `s` is
    character number `3 * k + s`.

    Reference:
        The idea that a character is a program of strokes, and a drawing a
        noisy run of it, is from B. M. Lake, R. Salakhutdinov and
        J. B. Tenenbaum, "Human-level concept learning through probabilistic
        program induction", Science 350, 2015. The program here is much
        simpler than theirs and was not fitted to any data.

    Args:
        split: `"train"`, `"validation"` or `"test"`.

    Raises:
        ValueError: If `split` is something else.

    Example:

    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=15)
    >>> glyphs = km.tasks.Glyphs("train")
    >>> x, query_y = next(iter(glyphs.episodes(spec, batch_size=4)))
    >>> x["support_x"].shape
    TensorShape([4, 5, 28, 28, 1])
    >>> x["query_x"].shape
    TensorShape([4, 75, 28, 28, 1])
    """

    def __init__(self, split="train"):
        self.split = check_choice("split", split, _SPLITS)

    def drawings(self, class_ids, drawer_ids):
        """Return the drawing of each class by the drawer next to it.

        A drawing is a pure function of the split, the class and the drawer.

        Args:
            class_ids: Integers below 2**61 of shape `(N,)`, which class of
                this split.
            drawer_ids: Integers of shape `(N,)`, who draws it.

        Returns:
            A float32 tensor of shape `(N, 28, 28, 1)` with values in 0..1.

        Raises:
            ValueError: If the ids are not two vectors of the same length.

        Example:

        >>> glyphs = km.tasks.Glyphs("test")
        >>> glyphs.drawings([7, 7, 8], [0, 1, 0]).shape
        TensorShape([3, 28, 28, 1])
        """
        class_ids = tf.convert_to_tensor(class_ids, "int64")
        drawer_ids = tf.convert_to_tensor(drawer_ids, "int64")
        same = class_ids.shape.is_compatible_with(drawer_ids.shape)
        if class_ids.shape.rank != 1 or not same:
            raise ValueError(
                "`class_ids` and `drawer_ids` must be vectors of the same "
                f"length. Received: class_ids.shape={class_ids.shape}, "
                f"drawer_ids.shape={drawer_ids.shape}"
            )
        characters = len(_SPLITS) * class_ids + _SPLITS.index(self.split)
        points, drawn = pen_paths(characters, drawer_ids)
        return inked(points, drawn, drawer_ids)  # (N, 28, 28, 1)

    def task(self, spec, seed):
        """Return one episode, a pure function of the split and the seed.

        The classes of an episode are distinct, every drawing of it is by
        another drawer, and the labels `0..ways-1` come in random order.

        Args:
            spec: The `kerasmeta.episodes.EpisodeSpec`.
            seed: int64 tensor `[seed, index]`, of non-negative numbers.

        Returns:
            `(x, query_y)`: the dictionary `x` has float32 `"support_x"` of
            shape `(ways * shots, 28, 28, 1)`, int32 `"support_y"` of shape
            `(ways * shots,)` and `"query_x"`; likewise the queries.

        Example:

        >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=15)
        >>> x, query_y = km.tasks.Glyphs().task(spec, [0, 3])
        >>> sorted(x["support_y"].numpy().tolist())
        [0, 1, 2, 3, 4]
        """
        seeds = tf.random.experimental.stateless_split(seed, num=4)
        ways = tf.range(spec.ways)
        shuffle = tf.random.experimental.stateless_shuffle
        support_y = shuffle(tf.repeat(ways, spec.shots), seeds[0])
        query_y = shuffle(tf.repeat(ways, spec.queries), seeds[1])
        labels = tf.concat([support_y, query_y], axis=0)
        # Neighbouring ids make unrelated characters: a run of ids from a
        # random place is as good as a draw without replacement.
        classes = _random_id(seeds[2]) + tf.cast(labels, "int64")
        count = spec.support_size + spec.query_size
        drawers = _random_id(seeds[3]) + tf.range(count, dtype="int64")
        images = self.drawings(classes, drawers)
        support_x = images[: spec.support_size]  # (S, 28, 28, 1)
        query_x = images[spec.support_size :]  # (Q, 28, 28, 1)
        support = {"support_x": support_x, "support_y": support_y}
        return {**support, "query_x": query_x}, query_y

    def episodes(self, spec, batch_size=4, seed=0, num_episodes=None):
        """Return a dataset of meta-batches of episodes.

        Args:
            spec: The `kerasmeta.episodes.EpisodeSpec`.
            batch_size: Number of episodes in a meta-batch.
            seed: Non-negative integer. Another seed gives other classes.
            num_episodes: Number of episodes, or `None` for an endless
                dataset.

        Returns:
            A `tf.data.Dataset` of what `task` returns, with a leading task
            axis.

        Raises:
            ValueError: If an argument is not what it should be.
        """
        is_spec = isinstance(spec, EpisodeSpec)
        if not is_spec or spec.varies or spec.is_regression:
            raise ValueError(
                "`spec` must be a `kerasmeta.episodes.EpisodeSpec` of fixed "
                f"ways, shots and queries. Received: spec={spec!r}"
            )
        return episodes_from_function(
            lambda seed: self.task(spec, seed), batch_size, seed, num_episodes
        )


def _random_id(seed):
    # Below 2**61, three times an id still fits an int64: no wrap-around, so
    # that the splits stay apart.
    return tf.random.stateless_uniform(
        [], seed, minval=0, maxval=2**61, dtype="int64"
    )
