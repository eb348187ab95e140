"""Episodes from folders of WAV files."""

from kerasmeta.episodes.audio.wav_file import read_wav
from kerasmeta.episodes.audio.waveform_source import waveform_source
from kerasmeta.episodes.class_folders import labelled_files
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.utils import check_positive_int


def audio_episodes_from_directory(
    directory,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    sample_rate=None,
    length=None,
    transform=None,
    classes=None,
    **options,
):
    """Make a dataset of episodes from folders of WAV files, one a class.

    Use it for recordings of your own. A folder that directly holds WAV files
    is a class; its name is its path below `directory`, as in `"anna/yes"`. The
    folder above it is its group, here the speaker `"anna"`, for a spec with
    `within_groups=True`; classes that lie directly in `directory` have no
    groups. Hidden files, `Thumbs.db`, `ehthumbs.db`, `desktop.ini` and
    `__MACOSX` are ignored; any other file is an error.

    Files hold 16-bit PCM samples; several channels (stereo) are averaged. All
    are read once, here, and held in memory as 16-bit integers, or as what
    `transform` makes of them. For `length` and `transform` see
    `episodes_from_waveforms`.

    Args:
        directory: Folder to look in.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        sample_rate: Samples in a second that all files must have, or `None`
            for that of the first file. Nothing is resampled.
        length: Number of samples of an example, shorter recordings filled up
            with zeros and longer ones cut off, or `None` for the length of
            the longest.
        transform: Layer or function from float32 waveforms `[n, length]` to a
            tensor `[n, ...]`, such as `km.layers.LogMel`, or `None`.
        classes: List of the names of the classes to keep, for splits without
            common classes; by default all.
        **options: `augment_support`, `augment_query`, `first_episode` and
            `shard`, as in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`, as from
        `episodes_from_waveforms`.

    Raises:
        ValueError: If the folders are not as above, a file is damaged, empty
            or of another sample rate, `classes` names a class that there is
            not, or as `episodes_from_waveforms` does.

    Example:

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> for path in ["yes/1.wav", "yes/2.wav", "no/1.wav", "no/2.wav"]:
    ...     path = pathlib.Path(folder.name) / path
    ...     path.parent.mkdir(exist_ok=True)
    ...     samples = np.random.default_rng(0).uniform(-1, 1, (1000, 1))
    ...     wav = tf.audio.encode_wav(samples.astype("float32"), 8000)
    ...     _ = path.write_bytes(wav.numpy())
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
    >>> data = km.episodes.audio_episodes_from_directory(folder.name, spec)
    >>> next(iter(data))[0]["support_x"].shape
    TensorShape([4, 2, 1000])
    >>> folder.cleanup()
    """
    paths, labels, groups = labelled_files(directory, (".wav",), classes)
    source = waveform_source(
        _read_all(paths, sample_rate),
        labels,
        groups,
        length,
        transform,
        where=paths.__getitem__,
    )
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )


def _read_all(paths, sample_rate):
    """Return the samples of files that all have one sample rate."""
    expected = sample_rate
    if expected is not None:
        expected = check_positive_int("sample_rate", expected)
    waveforms = []
    for path in paths:
        samples, rate = read_wav(path)
        expected = rate if expected is None else expected
        if rate != expected:
            whose = f"of {paths[0]!r}" if sample_rate is None else "asked for"
            raise ValueError(
                "All files must have one sample rate, for frequencies to mean "
                "the same. Resample this one. Received: "
                f"{path!r} of {rate} Hz, not the {expected} Hz {whose}"
            )
        waveforms.append(samples)
    return waveforms
