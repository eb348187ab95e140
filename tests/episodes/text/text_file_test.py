import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.text.text_file import text_episodes_from_file
from kerasmeta.episodes.text.texts import episodes_from_text

SPEC = EpisodeSpec(ways=2, shots=1, queries=1)
TEXTS = [
    'dim, "please"',
    "two\nlines",
    "grüße 你好",
    "a $ and a\ttab",
    "call 1",
    "call 2",
]
LABELS = ["x", "x", "y", "y", "z", "z"]


def write_csv(path, rows, delimiter=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def write_jsonl(path, rows):
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


def same_episodes(found, expected):
    for (x, query_y), (other, other_y) in zip(found, expected):
        np.testing.assert_array_equal(query_y, other_y)
        for name in other:
            np.testing.assert_array_equal(x[name], other[name])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".CSV", ".jsonl", "bom"])
def test_a_file_gives_the_episodes_of_its_texts(suffix, tmp_path):
    path = tmp_path / f"texts{suffix if suffix != 'bom' else '.csv'}"
    if suffix == ".jsonl":
        keys = ("text", "id", "label")
        rows = zip(TEXTS, range(6), LABELS)
        write_jsonl(path, [dict(zip(keys, row)) for row in rows])
    else:
        delimiter = "\t" if suffix == ".tsv" else ","
        encoding = "utf-8-sig" if suffix == "bom" else "utf-8"
        rows = [("text", "id", "label"), *zip(TEXTS, range(6), LABELS), ()]
        write_csv(path, rows, delimiter, encoding)
    options = {"seed": 5, "num_episodes": 8}
    found = text_episodes_from_file(path, SPEC, **options)
    same_episodes(found, episodes_from_text(TEXTS, LABELS, SPEC, **options))


def test_blank_lines_have_no_meaning(tmp_path):
    rows = [f"{text},{label}" for text, label in zip("abcdef", LABELS)]
    path = tmp_path / "texts.csv"
    path.write_text("\n\r\n" + "\n\n".join(["text,label", *rows]))
    found = text_episodes_from_file(path, SPEC, num_episodes=4)
    expected = episodes_from_text(list("abcdef"), LABELS, SPEC, num_episodes=4)
    same_episodes(found, expected)


def test_columns_groups_classes_and_integers(tmp_path):
    rows = [
        {"says": text, "topic": i // 2, "who": "ab"[i // 4]}
        for i, text in enumerate(TEXTS)
    ]
    path = write_jsonl(tmp_path / "texts.jsonl", rows)
    spec = EpisodeSpec(ways=2, shots=1, queries=1, within_groups=True)
    layer = keras.layers.TextVectorization()
    layer.adapt(TEXTS)
    data = text_episodes_from_file(
        path, spec, "says", "topic", "who", layer, 1, 2, 3, classes=[0, 1]
    )
    expected = episodes_from_text(
        TEXTS[:4], [0, 0, 1, 1], spec, 1, 2, 3, list("aaaa"), layer
    )
    assert data.element_spec[0]["support_x"].dtype == tf.int64
    same_episodes(data, expected)
    with pytest.raises(ValueError, match="`classes`.*7"):
        text_episodes_from_file(path, SPEC, "says", "topic", classes=[7])


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.txt", b"", r"\.csv or \.tsv.*a\.txt"),
        ("a.csv", b"", "column 'text'"),
        ("a.csv", b"text,label\n", "a text in each row.*no rows"),
        ("a.csv", b"text,class\nhi,x\n", r"column 'label'.*'class'"),
        ("a.csv", b"text,text,label\n", "'text', once"),
        ("a.csv", b"text,label\nhi,x\nhi,there,x\n", "2 values.*line 3"),
        ("a.csv", b"text,label\nhi,x\nhi\n", "2 values.*line 3"),
        ("a.csv", b'text,label\nhi,x\n"hi,x\n', "double quotes.*line 3"),
        ("a.csv", b'text,label\nhi,x\n"hi"o,x\n', "double quotes.*line 3"),
        ("a.csv", b"text,label\nhi,x\ncaf\xe9,x\n", "UTF-8.*0xe9 in line 3"),
        ("a.csv", b"text,label\nhi,x\n\n ,x\n", "white space.*line 4 of"),
        ("a.csv", b"text,label\nhi,x\nho,\n", "'label'.*'' in line 3"),
        ("a.csv", b"text,label\nhi,x\nho, \n", "not blank.*' ' in line 3"),
        ("a.csv", b"text,label\nhi,x\nho,x\0\n", "NUL.*'x.x00' in line 3"),
        ("a.csv", b"\n\ntext,label\nhi,x\nhi\n", "2 values.*1 in line 5"),
        (
            "a.csv",
            b"text,label\nhi,x\n" + b"a" * 131073 + b",x\n",
            "longer than 131072.*jsonl.*line 3",
        ),
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b'{"text": "hi", "label": 1}\n{"tex', "JSON.*line 2"),
        ("a.jsonl", b'["hi", 1]\n', "object.*line 1 .* is a list"),
        ("a.jsonl", b'{"text": "hi"}\n', "'label'.*line 1.*'text'"),
        ("a.jsonl", b'{"text": 3, "label": 1}\n', "strings.*line 1.*is 3"),
        ("a.jsonl", b'{"text": "hi", "label": null}\n', "None in line 1"),
        ("a.jsonl", b'{"text": "hi", "label": true}\n', "True in line 1"),
        (
            "a.jsonl",
            b'{"text": "a", "label": 1}\n{"text": "b", "label": "x"}\n',
            "all must be integers.*'x' in line 2",
        ),
    ],
)
def test_what_is_wrong_names_file_and_line(name, content, words, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s){words}") as error:
        text_episodes_from_file(path, SPEC)
    assert name in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="must be a file.*nowhere.csv"):
        text_episodes_from_file(tmp_path / "nowhere.csv", SPEC)
