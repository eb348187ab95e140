import numpy as np
import pytest

from kerasmeta.visualization import plot_adaptation

pytest.importorskip("matplotlib")
CURVE = {
    2: {"loss": 0.25, "accuracy": 0.75, "accuracy_ci95": 0.125},
    0: {"loss": 2.0, "accuracy": 0.25, "accuracy_ci95": 0.0625},
}


def test_metrics_have_a_band(tmp_path):
    path = tmp_path / "curve.png"
    [axes] = plot_adaptation(CURVE, "accuracy", path).axes
    assert path.read_bytes().startswith(b"\x89PNG")
    np.testing.assert_array_equal(
        axes.lines[0].get_xydata(), [[0, 0.25], [2, 0.75]]
    )
    [band] = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert {0.1875, 0.3125, 0.625, 0.875} <= set(heights)
    assert axes.get_title(loc="left").endswith("95 % interval over tasks")


def test_the_loss_has_none():
    [axes] = plot_adaptation(CURVE).axes
    assert axes.get_ylabel() == "loss"
    assert not axes.collections


def test_an_unknown_name():
    with pytest.raises(ValueError, match="name='mse'"):
        plot_adaptation(CURVE, "mse")
