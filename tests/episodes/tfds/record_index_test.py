import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes.tfds.record_index import RecordIndex

RECORDS = [b"first", b"", b"third\0\0", b"x" * 100_000, b"last"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def test_records_are_those_of_tensorflow(path):
    index = RecordIndex([(path, 0, 5, 5)])
    assert len(index) == 5
    expected = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    assert index.read(np.arange(5)).tolist() == expected == RECORDS


def test_any_order_of_parts_of_several_files(path):
    index = RecordIndex([(path, 3, 2, 5), (path, 0, 0, 5), (path, 1, 2, 5)])
    parts = RECORDS[3:] + RECORDS[1:3]
    assert len(index) == 4
    ids = np.array([3, 0, 0, 2, 1])
    assert index.read(ids).tolist() == [parts[i] for i in ids]


@pytest.mark.parametrize("cut", [1, 4, 10, 21])
def test_a_file_that_is_cut_off_is_named(path, cut):
    path.write_bytes(path.read_bytes()[:-cut])
    # The last record takes 20 bytes: one less leaves another one cut.
    words = "record 3" if cut > 20 else "record 4"
    with pytest.raises(ValueError, match=f"records', .*cut off in {words}"):
        RecordIndex([(path, 0, 5, 5)])


def test_another_number_of_records_is_named(path):
    with pytest.raises(ValueError, match="hold 6 records.*which holds 5"):
        RecordIndex([(path, 0, 6, 6)])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="local disk.*nowhere"):
        RecordIndex([(tmp_path / "nowhere", 0, 1, 1)])
