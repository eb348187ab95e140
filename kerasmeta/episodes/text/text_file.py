"""Episodes from a file of labelled texts."""

from kerasmeta.episodes.class_filter import keep_classes
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.text.text_rows import check_label_rows
from kerasmeta.episodes.text.text_rows import read_text_rows
from kerasmeta.episodes.text.text_source import text_source


def text_episodes_from_file(
    path,
    spec,
    text="text",
    label="label",
    group=None,
    vectorizer=None,
    batch_size=4,
    seed=0,
    num_episodes=None,
    classes=None,
    **options,
):
    r"""Make a dataset of episodes from a CSV or JSONL file of labelled texts.

    Use it as `episodes_from_text`, where the texts are in a file. Classes for
    training and for test are chosen with `classes`, or are in files of their
    own; adapt a vectorizer on the training texts only.

    A `.csv` file (or `.tsv`, with tabs) has a first line of column names; a
    `.jsonl` file has a JSON object in each line. Files are in UTF-8. Other
    columns are not read, and blank lines have no meaning.

    Args:
        path: The file.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        text: Column or key of the texts.
        label: Column or key of the classes. In a CSV file they are strings.
        group: Column or key of the groups, for `spec.within_groups`, or
            `None`.
        vectorizer: Adapted `keras.layers.TextVectorization` or the like, or
            `None` for examples that are strings; see `episodes_from_text`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        classes: List of the classes to keep, for splits without common
            classes; by default all.
        **options: `augment_support`, `augment_query`, `first_episode` and
            `shard`, as in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`, as from
        `episodes_from_text`.

    Raises:
        ValueError: If the file is of another type, is not in UTF-8, lacks a
            column, or a row has no text or no label, each with file and line;
            if `classes` names a class that there is not; or as
            `episodes_from_text` does.

    Example:

    >>> import pathlib, tempfile
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=3)
    >>> rows = [f"{i} {pet}s,{pet}" for pet in ("dog", "cat") for i in "1234"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "pets.csv")
    ...     _ = path.write_text("\n".join(["text,label", *rows]))
    ...     data = km.episodes.text_episodes_from_file(path, spec, batch_size=1)
    >>> episodes, query_y = next(iter(data))
    >>> episodes["support_x"].dtype, episodes["query_x"].shape
    (tf.string, TensorShape([1, 6]))
    """
    columns = [text, label] + ([] if group is None else [group])
    values, where = read_text_rows(path, columns)
    labels = check_label_rows(values[1], where, label)
    kept = keep_classes(labels, classes)
    groups = None
    if group is not None:
        groups = check_label_rows(values[2], where, group)[kept]
    source = text_source(
        [values[0][i] for i in kept],
        labels[kept],
        groups,
        vectorizer,
        where=lambda i: where[kept[i]],
    )
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )
