import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays

Y = np.repeat(np.arange(6), 8)
X = np.zeros((48, 2), "float32")


def noise(example, seed):
    return example + tf.random.stateless_uniform(example.shape, seed)


def episodes(batch_size=4, **kwargs):
    spec = EpisodeSpec(3, 2, 4)
    data = episodes_from_arrays(
        X, Y, spec, batch_size, num_episodes=24, **kwargs
    )
    return [
        np.concatenate([x[name] for x, _ in data])
        for name in ("support_x", "query_x")
    ]


def test_every_example_has_its_own_noise():
    support, query = episodes(augment_support=noise, augment_query=noise)
    numbers = np.concatenate([support.ravel(), query.ravel()])
    assert len(set(numbers)) > 0.99 * len(numbers)


def test_support_alone():
    support, query = episodes(augment_support=noise)
    assert (support > 0).mean() > 0.99
    assert (query == 0).all()


@pytest.mark.parametrize("batch_size", [1, 5])
def test_is_a_pure_function_of_seed_and_index(batch_size):
    one = episodes(batch_size, augment_support=noise, augment_query=noise)
    two = episodes(8, augment_support=noise, augment_query=noise)
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
    other = episodes(8, augment_support=noise, seed=1)
    assert (other[0] != two[0]).mean() > 0.99


def test_nests():
    x = {"a": X, "b": (X,)}

    def change(example, seed):
        return {"a": example["a"] + 1, "b": example["b"]}

    data = episodes_from_arrays(
        x, Y, EpisodeSpec(3, 2, 4), augment_query=change
    )
    batch, _ = next(iter(data))
    assert batch["query_x"]["a"].numpy().min() == 1
    assert batch["query_x"]["b"][0].numpy().max() == 0
    assert batch["support_x"]["a"].numpy().max() == 0


def test_must_keep_shape_and_dtype():
    with pytest.raises(ValueError, match="of the shape and dtype"):
        episodes(augment_query=lambda example, seed: example[:1])
