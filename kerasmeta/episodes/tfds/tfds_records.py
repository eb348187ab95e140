"""Random access to the examples of a TFDS data set."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from kerasmeta.episodes.tfds.record_index import RecordIndex


def record_reader(builder, split):
    """Return a function from example ids to serialized examples.

    Args:
        builder: TFDS builder whose data are prepared.
        split: Split as TFDS takes it, such as `"train[:80%]"`.

    Returns:
        `(read, number of examples)`, where `read` takes an int64 vector and
        returns a vector of `bytes`.

    Raises:
        ValueError: If the data are not prepared, in another format than
            `tfrecord` and `array_record`, or outside of their folder, or
            `split` is a list.
    """
    if not builder.info.splits:
        raise ValueError(
            "The data set must be prepared: call "
            "`builder.download_and_prepare()` first. "
            f"Received: {builder.info.full_name!r} in {builder.data_dir!r}"
        )
    if isinstance(split, (list, tuple)):
        raise ValueError(
            "`split` must be one split. Join several with a plus, as in "
            f'`split="train+test"`. Received: split={split!r}'
        )
    info = builder.info.splits[split]
    if not info.num_examples:
        raise ValueError(
            "The split must hold examples. Choose a larger one. "
            f"Received: split={split!r} of {builder.info.full_name!r}"
        )
    _check_places(builder, info.file_instructions)
    file_format = builder.info.file_format
    if file_format == tfds.core.FileFormat.TFRECORD:
        read = RecordIndex(
            [
                (part.filename, part.skip, part.take, part.examples_in_shard)
                for part in info.file_instructions
            ]
        ).read
    elif file_format == tfds.core.FileFormat.ARRAY_RECORD:
        read = _array_record_reader(builder, split)
    else:
        raise ValueError(
            "Examples can be drawn from data sets in the formats `tfrecord` "
            "and `array_record`. Prepare it anew, in another folder, with "
            '`tfds.builder(name, data_dir=, file_format="array_record")`. '
            f"Received: {builder.info.full_name!r} in {file_format.value!r}"
        )
    return read, info.num_examples


def _check_places(builder, parts):
    """Refuse files outside: `dataset_info.json` says where files are."""
    roots = _folders(builder)
    for part in parts:
        path = pathlib.Path(part.filename).resolve()
        if not any(path.is_relative_to(root) for root in roots):
            raise ValueError(
                "The files of a data set must be in its folder. Put copies "
                "there, and mend `filepathTemplate` in `dataset_info.json`. "
                f"Received: {part.filename!r}, which is {str(path)!r}, of a "
                f"data set in {', '.join(sorted(map(repr, map(str, roots))))}"
            )


def _folders(builder):
    """Return the folders of a data set: `builder_from_directories` has many."""
    splits = list(builder.info.splits.values())
    parts = [p for s in splits for p in getattr(s, "split_infos", [s])]
    folders = {str(part.filename_template.data_dir) for part in parts}
    return {
        pathlib.Path(f).resolve() for f in {str(builder.data_dir), *folders}
    }


def _array_record_reader(builder, split):
    source = builder.as_data_source(
        split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
    )

    def read(ids):
        records = np.empty(len(ids), dtype=object)
        try:
            # Assigned to a slice, `bytes` stay whole.
            records[:] = source.__getitems__([int(i) for i in ids])
        # Of a damaged file, the library raises whatever it calls does.
        except (RuntimeError, ValueError, IndexError) as error:
            raise ValueError(
                "ArrayRecord files must be whole, and there. Prepare the data "
                f"set again. Received: {builder.data_dir!r}, of which "
                f"array_record says: {error}"
            ) from error
        return records

    return read
