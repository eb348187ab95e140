"""Episodes from labelled waveforms."""

from kerasmeta.episodes.audio.waveform_source import waveform_source
from kerasmeta.episodes.pipeline import source_episodes


def episodes_from_waveforms(
    waveforms,
    labels,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    groups=None,
    length=None,
    transform=None,
    **options,
):
    """Make a dataset of episodes from labelled waveforms.

    Use it to learn words, speakers or machine sounds from a few recordings
    each. Waveforms may differ in length: an example has `length` samples, of
    which the first come from the waveform. Zeros follow a shorter waveform,
    and of a longer one the rest is *cut off*, which happens only if you give a
    `length`.

    Most networks listen to spectrograms. With `transform=LogMel(...)` all are
    made once, here, and training is fast. Or leave it out and let the network
    begin with the layer: then the saved and exported model takes waveforms.

    Args:
        waveforms: List of vectors, or an array `[num_examples, samples]`:
            int16, which is scaled to [-1, 1), or floats, which are left as
            they are. All of one sample rate.
        labels: Class of each waveform, integers or strings,
            `[num_examples]`.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        groups: Group of each waveform, such as its speaker, for
            `spec.within_groups`, `[num_examples]`.
        length: Number of samples of an example, or `None` for the length of
            the longest waveform.
        transform: Layer or function from float32 waveforms `[n, length]` to a
            tensor `[n, ...]`, such as `km.layers.LogMel`, or `None`.
        **options: `augment_support`, `augment_query`, `first_episode` and
            `shard`, as in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`, as from
        `episodes_from_arrays`. Examples are float32, `[length]` or what the
        transform returns.

    Raises:
        ValueError: If a waveform is empty, no vector, of another dtype or not
            finite, the transform does not fit, waveforms and labels do not
            match, or there are too few classes or examples.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> waveforms = [rng.uniform(-1, 1, 900 + 10 * i) for i in range(12)]
    >>> labels = np.repeat(["yes", "no", "stop"], 4)
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=3)
    >>> data = km.episodes.episodes_from_waveforms(
    ...     waveforms, labels, spec, length=1024, batch_size=1,
    ...     transform=km.layers.LogMel(sample_rate=8000),
    ... )
    >>> next(iter(data))[0]["support_x"].shape
    TensorShape([1, 2, 7, 40])
    """
    source = waveform_source(waveforms, labels, groups, length, transform)
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )
