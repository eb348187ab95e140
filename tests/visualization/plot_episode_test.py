import builtins

import numpy as np
import pytest

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
