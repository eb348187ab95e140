import numpy as np
import tensorflow as tf

from kerasmeta.utils import split_mix

BITS = 2**64 - 1
# The first outputs for the seed 1234567, as widely published.
PUBLISHED = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


def reference(seed, count):
    """SplitMix64 in Python's unbounded integers."""
    outputs = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & BITS
        outputs.append(mix(seed))
    return outputs


def test_reference_is_split_mix():
    assert reference(1234567, 5) == PUBLISHED


def test_integers_are_the_top_bits_of_split_mix():
    seeds = [1234567, 0, 1, BITS]
    numbers = split_mix.integers(tf.constant(seeds, "uint64"), 5).numpy()
    expected = [[z >> 2 for z in reference(seed, 5)] for seed in seeds]
    np.testing.assert_array_equal(numbers, expected)
    assert numbers.dtype == np.int64
    assert numbers.min() >= 0


def test_uniforms_are_the_top_bits_of_split_mix():
    seeds = [1234567, 0, 1, BITS]
    numbers = split_mix.uniforms(tf.constant(seeds, "uint64"), 5).numpy()
    expected = [[(z >> 40) / 2**24 for z in reference(s, 5)] for s in seeds]
    np.testing.assert_array_equal(numbers, np.float32(expected))
    assert numbers.dtype == np.float32


def test_uniforms_are_uniform_below_one():
    keys = split_mix.stream_keys(tf.range(1000, dtype="int64"), salt=0)
    numbers = split_mix.uniforms(keys, 100).numpy()
    assert 0 <= numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    # Chi-square of 19 degrees of freedom: above 50 in 1 of 7,000 streams.
    assert ((counts - 5000) ** 2 / 5000).sum() < 50


def test_stream_keys_mix_every_id_and_the_salt():
    def expected(salt, *ids):
        key = salt
        for number in ids:
            key = mix((key * 0x9E3779B97F4A7C15 + number) & BITS)
        return key

    a, b = [0, 5, -1, 2**62], [3, 3, 7, 0]
    keys = split_mix.stream_keys(
        tf.constant(a, "int64"), tf.constant(b, "int64"), salt=9
    )
    pairs = zip(a, b)
    assert keys.numpy().tolist() == [expected(9, x & BITS, y) for x, y in pairs]


def test_a_scalar_before_the_last_id_is_the_same_for_all():
    ids = tf.range(4, dtype="int64")
    scalar = split_mix.stream_keys(tf.constant(7, "int64"), ids, salt=1)
    vector = split_mix.stream_keys(
        tf.fill([4], tf.constant(7, "int64")), ids, salt=1
    )
    np.testing.assert_array_equal(scalar, vector)


def test_neighbouring_ids_and_salts_share_no_key():
    a, b = np.meshgrid(np.arange(200), np.arange(200))
    ids = [tf.constant(n.ravel(), "int64") for n in (a, b)]
    keys = [split_mix.stream_keys(*ids, salt=salt).numpy() for salt in (0, 1)]
    assert len(np.unique(keys)) == 80_000


def test_a_row_does_not_depend_on_the_others_or_on_the_count():
    keys = split_mix.stream_keys(tf.range(9, dtype="int64"), salt=0)
    many = split_mix.integers(keys, 8)
    np.testing.assert_array_equal(
        split_mix.integers(keys[4:5], 3), many[4:5, :3]
    )


def test_graph_and_eager_agree():
    def draw(ids):
        return split_mix.integers(split_mix.stream_keys(ids, salt=0), 4)

    ids = tf.range(5, dtype="int64")
    np.testing.assert_array_equal(tf.function(draw)(ids), draw(ids))
