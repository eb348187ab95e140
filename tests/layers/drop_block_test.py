import keras
import numpy as np
import pytest

import kerasmeta as km
from kerasmeta.layers.drop_block import DropBlock


def blocks_cover(dropped, rows, columns):
    """Return whether whole blocks make up all that was dropped."""
    height, width = dropped.shape
    covered = np.zeros_like(dropped)
    for i in range(height - rows + 1):
        for j in range(width - columns + 1):
            block = np.s_[i : i + rows, j : j + columns]
            if dropped[block].all():
                covered[block] = True
    return np.array_equal(covered, dropped)


@pytest.mark.parametrize(
    "shape, block", [((9, 7), 3), ((5, 3), 5), ((4, 4), 1)]
)
def test_drops_whole_blocks_of_each_channel(shape, block):
    layer = DropBlock(0.3, block, seed=1)
    outputs = layer(np.ones((6, *shape, 5)), training=True).numpy()
    rows, columns = (min(block, size) for size in shape)
    dropped = outputs == 0
    assert dropped.any() and not dropped.all()
    for example in dropped:
        for channel in range(5):
            assert blocks_cover(example[..., channel], rows, columns)
    # Channels are dropped independently of each other.
    assert (dropped[..., 0] != dropped[..., 1]).any()


def test_what_remains_is_scaled_up():
    outputs = DropBlock(0.3, 3, seed=1)(np.ones((4, 8, 8, 6)), training=True)
    np.testing.assert_allclose(
        outputs.numpy().mean(axis=(1, 2, 3)), 1, rtol=1e-5
    )


def test_drops_the_papers_share():
    """Blocks are drawn with the paper's gamma; overlaps are few."""
    x = np.ones((400, 12, 12, 40), "float32")
    outputs = DropBlock(0.1, 3, seed=0)(x, training=True)
    share = (outputs.numpy() == 0).mean()
    # A position in the middle is dropped with 1 - (1 - gamma)^9; by symmetry
    # the mean over positions comes from how many corners cover each.
    gamma = 0.1 / 9 * 144 / 100
    counts = np.convolve(np.ones(10), np.ones(3))
    expected = 1 - (1 - gamma) ** np.outer(counts, counts)
    assert share == pytest.approx(expected.mean(), rel=0.02)


def test_does_nothing_outside_of_training():
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    np.testing.assert_array_equal(DropBlock(0.5, 3)(x), x)
    np.testing.assert_array_equal(DropBlock(0.0, 3)(x, training=True), x)


def test_an_example_does_not_depend_on_others():
    x = np.ones((3, 8, 8, 4), "float32")
    one = DropBlock(0.3, 3, seed=1)(x, training=True)
    x[1:] = 7
    other = DropBlock(0.3, 3, seed=1)(x, training=True)
    np.testing.assert_array_equal(one[0], other[0])


def test_half_precision():
    layer = DropBlock(0.1, 3, dtype="float16")
    outputs = layer(np.ones((2, 80, 80, 40)), training=True)
    assert outputs.dtype == "float16"
    assert np.isfinite(outputs.numpy()).all()


def test_is_saved_and_runs_in_an_inner_loop(tmp_path):
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(3, 3),
            DropBlock(0.2, 3, seed=4),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.layers[1].get_config() == network.layers[1].get_config()
    learner = km.learners.MAML(loaded, inner_steps=1)
    learner.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x = np.random.default_rng(0).normal(size=(2, 6, 8, 8, 1))
    y = np.tile(np.arange(6) % 3, (2, 1))
    episodes = {"support_x": x, "support_y": y, "query_x": x}
    assert np.isfinite(learner.train_on_batch(episodes, y))


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, None, 8, 3)])
def test_needs_feature_maps_of_known_size(shape):
    with pytest.raises(ValueError, match="Received: input_shape="):
        DropBlock(0.1).build(shape)


def test_rejects_rates():
    with pytest.raises(ValueError, match="rate=1"):
        DropBlock(1.0)
