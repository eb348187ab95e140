import builtins

import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.visualization import plot_episode

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def glyphs():
    spec = km.episodes.EpisodeSpec(ways=3, shots=2, queries=10)
    episodes = km.tasks.Glyphs("test").episodes(spec, batch_size=2)
    return next(iter(episodes))


@pytest.fixture(scope="module")
def waves():
    return next(iter(km.tasks.Sinusoid(5, 30).episodes(batch_size=2)))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def images(figure):
    return len(figure.axes[0].images)


def one_hot(labels, ways=3):
    return np.eye(ways, dtype="float32")[np.asarray(labels)]


def test_right_and_wrong_queries_are_marked(glyphs, tmp_path):
    x, query_y = glyphs
    predictions = one_hot(query_y)
    # The first query of class 1 of task 1 is taken for class 2.
    wrong = np.flatnonzero(query_y[1] == 1)[0]
    predictions[1, wrong] = [0, 0, 1]
    path = tmp_path / "episode.png"
    figure = plot_episode(x, query_y, predictions, task=1, path=path)
    found = texts(figure)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert found.count("✗ 2") == 1
    assert found.count("✓") == 3 * 8 - 1
    assert {"class 0", "class 1", "class 2", "✓ right"} <= set(found)
    assert "Right: 29 of all 30 (96.7%)." in found
    assert "Shown: 24 of 30 queries (the first 8 of each class)." in found
    assert images(figure) == 3 * (2 + 8)


def test_queries_of_no_class_are_neither_right_nor_wrong(glyphs):
    x, query_y = glyphs
    predictions = one_hot(query_y)
    foreign = np.where(query_y == 1, -1, query_y)
    found = texts(plot_episode(x, foreign, predictions))
    assert "Right: 20 of all 20 (100.0%), besides 10 of no class." in found
    assert {"no class", "class 0", "class 1", "class 2"} <= set(found)
    assert found.count("✓") == 2 * 8 and found.count("→ 1") == 8
    assert "✗ 1" not in found
    nobody = texts(plot_episode(x, np.full_like(query_y, -1), predictions))
    assert "All queries belong to no class." in nobody


def test_without_predictions_nothing_is_marked(glyphs):
    figure = plot_episode(*glyphs)
    assert not any("✓" in text or "✗" in text for text in texts(figure))
    assert images(figure) == 3 * (2 + 8)


def test_all_text_is_inside_the_picture():
    x = {
        "support_x": np.zeros((1, 12, 16, 24, 3), "uint8"),
        "support_y": np.repeat([[0, 1]], 6, axis=1),
        "query_x": np.zeros((1, 2, 16, 24, 3), "uint8"),
    }
    query_y = np.array([[0, 1]])
    figure = plot_episode(x, query_y, one_hot(query_y, 2))
    page = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent(figure.canvas.get_renderer())
        assert page.x0 <= box.x0 and box.x1 <= page.x1
        assert page.y0 <= box.y0 and box.y1 <= page.y1
    assert "Shown: 2 of 2 queries, 10 of 12 support examples." in texts(figure)


def test_padding_is_left_out(glyphs):
    x, query_y = glyphs
    mask = np.ones((2, 6), bool)
    mask[0, 0] = False
    figure = plot_episode({**x, "support_mask": mask}, query_y)
    assert images(figure) == 5 + 3 * 8


def test_padded_queries_are_left_out(glyphs, waves):
    x, query_y = glyphs
    mask = np.arange(30)[None] < [[4], [30]]
    predictions = one_hot(query_y)
    predictions[0, 4:] = 0
    figure = plot_episode({**x, "query_mask": mask}, query_y, predictions)
    assert "Right: 4 of all 4 (100.0%)." in texts(figure)
    assert images(figure) == 6 + 4
    x, query_y = waves
    figure = plot_episode({**x, "query_mask": mask}, query_y, query_y)
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [4, 4, 5]


@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (4.0, -2.0), (0.0, -1.0)])
def test_images_of_any_scale_are_drawn(glyphs, scale, shift):
    x, query_y = glyphs
    x = {**x, **{k: scale * x[k] + shift for k in ("support_x", "query_x")}}
    for image in plot_episode(x, query_y).axes[0].images:
        values = image.get_array()
        assert np.isfinite(values).all()
        assert 0 <= values.min() and values.max() <= 1


def test_regression_is_sorted_and_judged(waves):
    x, query_y = waves
    figure = plot_episode(x, query_y, query_y.numpy() + 0.5, task=1)
    axes = figure.axes[0]
    true, predicted, support = axes.lines
    order = np.argsort(x["query_x"][1, :, 0])
    expected = query_y.numpy()[1, order, 0]
    np.testing.assert_array_equal(true.get_ydata(), expected)
    np.testing.assert_allclose(predicted.get_ydata(), expected + 0.5)
    assert (np.diff(predicted.get_xdata()) >= 0).all()
    assert len(support.get_xdata()) == 5
    assert "error of the queries 0.25" in axes.get_title(loc="left")
    assert len(plot_episode(x, query_y).axes[0].lines) == 2


def test_regression_targets_may_be_flat(waves):
    x, query_y = waves
    flat = {**x, "support_y": x["support_y"][..., 0]}
    figure = plot_episode(flat, query_y[..., 0], query_y)
    assert "error of the queries 0" in figure.axes[0].get_title(loc="left")


SENTENCES = ["dim it", "light\n on", "pay $5 or $6", "buy " * 99]
TASK = {
    "support_x": np.array([SENTENCES]),
    "support_y": np.array([[0, 0, 1, 1]]),
    "query_x": np.array([["off, please", "owe"]]),
}


def test_texts_are_lines_that_fit():
    query_y = np.array([[0, 1]])
    figure = plot_episode(TASK, query_y, one_hot([[0, 0]], 2))
    found = texts(figure)
    assert {"dim it", "light on", "pay $5 or $6", "off, please"} <= set(found)
    assert (found.count("✓"), found.count("✗ 0")) == (1, 1)
    assert "Right: 1 of all 2 (50.0%)." in found
    assert "Longer texts end in “…”." in found
    foreign = texts(plot_episode(TASK, query_y - 1, one_hot([[1, 0]], 2)))
    assert {"no class", "→ 1", "✓"} <= set(foreign)
    assert "Right: 1 of all 1 (100.0%), besides 1 of no class." in foreign
    (cut,) = [text for text in found if text.startswith("buy")]
    assert cut.endswith("buy…") or cut.endswith("b…") or cut.endswith("bu…")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for i, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
        # Half a pixel: boxes are rounded outwards.
        assert not any(box.padded(-0.5).overlaps(b) for b in boxes[:i])


@pytest.mark.parametrize("kind", ["strings", "column", "bytes", "tensor"])
def test_strings_may_be_of_many_kinds(kind):
    convert = {
        "strings": lambda x: np.array(x, dtype=object),
        "column": lambda x: x[..., None],
        "bytes": np.char.encode,
        "tensor": tf.constant,
    }[kind]
    x = {**TASK, **{k: convert(TASK[k]) for k in ("support_x", "query_x")}}
    found = texts(plot_episode(x, np.array([[0, 1]])))
    assert {"dim it", "owe"} <= set(found) and "✓" not in found


def test_token_ids_are_decoded_and_padding_is_left_out():
    words = ["", "[UNK]", "dim", "it", "buy"]
    x = {
        "support_x": np.array([[[2, 3, 0], [4, 1, 0], [1, 1, 1]]]),
        "support_y": np.array([[0, 1, 0]]),
        "query_x": np.array([[[4, 0, 0], [0, 0, 0]]]),
        "support_mask": np.array([[True, True, False]]),
    }
    figure = plot_episode(
        x,
        np.array([[1, 0]]),
        decode=lambda ids: " ".join(words[i] for i in ids if i),
    )
    found = texts(figure)
    assert {"dim it", "buy [UNK]", "buy", "(no text)"} <= set(found)
    assert "[UNK] [UNK] [UNK]" not in found
    with pytest.raises(ValueError, match="must return a string.*int"):
        plot_episode(x, np.array([[1, 0]]), decode=lambda ids: int(ids[0]))
    with pytest.raises(ValueError, match="token ids a `decode`"):
        plot_episode(x, np.array([[1, 0]]))


@pytest.mark.parametrize("channels", [(), (1,)])
def test_spectrograms_lie_on_their_side(channels):
    support = np.arange(24, dtype="float32").reshape(2, 4, 3) - 30
    x = {
        "support_x": support.reshape(1, 2, 4, 3, *channels),
        "support_y": np.array([[0, 1]]),
        "query_x": support.reshape(1, 2, 4, 3, *channels) + 12,
    }
    kind = "spectrogram" if channels else "auto"
    figure = plot_episode(x, np.array([[0, 1]]), kind=kind)
    first = figure.axes[0].images[0]
    # The last of 3 bands above, the first of 4 frames on the left.
    expected = (support[0].T[::-1] + 30) / 35
    np.testing.assert_allclose(first.get_array(), expected, rtol=1e-6)
    assert first.get_cmap().name == "magma"
    assert any("low bands are below" in text for text in texts(figure))


def test_images_need_no_channels_if_they_are_called_so(glyphs):
    x, query_y = glyphs
    flat = {**x, **{k: x[k][..., 0] for k in ("support_x", "query_x")}}
    gray = plot_episode(flat, query_y, kind="images").axes[0].images
    expected = plot_episode(x, query_y).axes[0].images
    for image, other in zip(gray, expected, strict=True):
        np.testing.assert_array_equal(
            image.get_array(), np.squeeze(other.get_array())
        )
        assert image.get_cmap().name == "gray"


def test_what_cannot_be_drawn_is_said(glyphs, waves):
    x, query_y = glyphs
    with pytest.raises(ValueError, match="Received: episodes="):
        plot_episode([x], query_y)
    with pytest.raises(ValueError, match="less than 2.*Received: task=2"):
        plot_episode(x, query_y, task=2)
    with pytest.raises(ValueError, match="`query_x` and `query_y`.*Received"):
        plot_episode(x, query_y[:, :-1])
    with pytest.raises(ValueError, match=r"predictions of shape \(2, 3, 3\)"):
        plot_episode(x, query_y, np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="a score for each class"):
        plot_episode(x, query_y, np.zeros((2, 30, 1)))
    with pytest.raises(ValueError, match="draws images.*one feature"):
        plot_episode({**x, "support_y": one_hot(x["support_y"])}, query_y)
    x, query_y = waves
    wide = {**x, "support_x": np.zeros((2, 5, 2), "float32")}
    with pytest.raises(ValueError, match=r"support_x of shape \(5, 2\)"):
        plot_episode(wide, query_y)
    with pytest.raises(ValueError, match="one of 'auto'.*kind='movie'"):
        plot_episode(x, query_y, kind="movie")
    with pytest.raises(ValueError, match="draws images.*one feature"):
        plot_episode(x, query_y, kind="images")
    with pytest.raises(ValueError, match=r"query_mask.*shape \(2, 3\)"):
        plot_episode({**x, "query_mask": np.ones((2, 3), bool)}, query_y)
    with pytest.raises(ValueError, match="nested support_x"):
        plot_episode({**x, "support_x": {"a": x["support_x"]}}, query_y)


def test_missing_matplotlib_is_said(glyphs, monkeypatch):
    real_import = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ImportError, match=r"pip install kerasmeta\[plots\]"):
        plot_episode(*glyphs)


def test_a_predicted_distribution_has_a_band(waves):
    x, query_y = waves
    predictions = np.concatenate([query_y, np.full_like(query_y, 0.5)], -1)
    figure = plot_episode(x, query_y, predictions, task=1)
    [axes] = figure.axes
    [band] = axes.collections
    corners = band.get_paths()[0].vertices
    values = query_y[1].numpy()
    assert corners[:, 1].max() == pytest.approx(values.max() + 0.98)
    assert corners[:, 1].min() == pytest.approx(values.min() - 0.98)
    assert "error of the queries 0" in axes.get_title(loc="left")
