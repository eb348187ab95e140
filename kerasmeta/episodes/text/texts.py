"""Episodes from labelled texts."""

from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.text.text_source import text_source


def episodes_from_text(
    texts,
    labels,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    groups=None,
    vectorizer=None,
    **options,
):
    """Make a dataset of episodes from labelled texts.

    Use it to learn intents, topics or tickets from a few sentences each.
    Texts become numbers in one of two places. With a `vectorizer`, all are
    converted once, here, and training is fast. Without one, examples are
    strings: let the network begin with a `keras.layers.TextVectorization`, and
    the saved and the exported model take strings.

    Either way, adapt the layer on *training texts only*. A vocabulary that has
    seen the test classes makes new words look like known ones.

    Args:
        texts: Strings, `[num_examples]`; bytes must be UTF-8.
        labels: Class of each text, integers or strings, `[num_examples]`.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        groups: Group of each text, for `spec.within_groups`,
            `[num_examples]`.
        vectorizer: Adapted `keras.layers.TextVectorization`, or another layer
            or function from strings `[n]` to a tensor `[n, ...]` of fixed
            shape. Integers of 32 or 64 bits (token ids) keep their dtype.
        **options: `augment_support`, `augment_query`, `first_episode` and
            `shard`, as in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`, as from
        `episodes_from_arrays`. Without a `vectorizer`, `"support_x"` and
        `"query_x"` are strings, `[T, S]` and `[T, Q]`; padding repeats texts
        and is marked by the masks.

    Raises:
        ValueError: If a text is empty or no string, the vectorizer is not
            adapted or its shape varies, texts and labels do not match, or
            there are too few classes or examples.

    Example:

    >>> texts = [f"{verb} lamp {i}" for verb in ("dim", "buy") for i in "12345"]
    >>> labels = np.repeat(["light", "shop"], 5)
    >>> layer = keras.layers.TextVectorization(output_sequence_length=4)
    >>> layer.adapt(texts)
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=3)
    >>> data = km.episodes.episodes_from_text(
    ...     texts, labels, spec, batch_size=1, vectorizer=layer
    ... )
    >>> next(iter(data))[0]["support_x"].shape
    TensorShape([1, 2, 4])
    """
    source = text_source(texts, labels, groups, vectorizer)
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )
