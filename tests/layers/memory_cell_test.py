import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

UNITS, SLOTS, SIZE, HEADS, DECAY = 3, 5, 4, 2, 0.9
X = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")


def made(**kwargs):
    return km.layers.MemoryCell(UNITS, SLOTS, SIZE, HEADS, DECAY, **kwargs)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights(layer):
    return [w.astype("float64") for w in layer.get_weights()]


def read_by_hand(cell, xs):
    """The equations, one sequence and one head at a time, in float64."""
    kernel, recurrent, bias = weights(cell.controller)
    key_kernel, key_bias = weights(cell.keys)
    gate_kernel, gate_bias = weights(cell.gates)
    hidden, state = np.zeros(UNITS), np.zeros(UNITS)
    memory, usage = np.zeros((SLOTS, SIZE)), np.zeros(SLOTS)
    read_weights, reads = np.zeros((HEADS, SLOTS)), np.zeros((HEADS, SIZE))
    outputs = []
    for x in xs.astype("float64"):
        inputs = np.concatenate([x, reads.ravel()])
        gates = inputs @ kernel + hidden @ recurrent + bias
        i, f, g, o = np.split(gates, 4)
        state = sigmoid(f) * state + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(state)
        keys = (hidden @ key_kernel + key_bias).reshape(HEADS, SIZE)
        write_gates = sigmoid(hidden @ gate_kernel + gate_bias)
        slots = np.argsort(usage, kind="stable")[:HEADS]
        old = memory.copy()
        memory[slots] = 0.0
        usage = DECAY * usage
        for head in range(HEADS):
            write = write_gates[head] * read_weights[head]
            write[slots[head]] += 1 - write_gates[head]
            memory = memory + np.outer(write, keys[head])
            usage = usage + write
        for head in range(HEADS):
            seen = old if cell.read_first else memory
            lengths = np.linalg.norm(seen, axis=1)
            lengths *= np.linalg.norm(keys[head])
            safe = np.where(lengths > 0, lengths, 1.0)
            cosines = seen @ keys[head] / safe
            scores = np.exp(cosines / cell.temperature)
            read_weights[head] = scores / scores.sum()
            reads[head] = read_weights[head] @ seen
            usage = usage + read_weights[head]
        outputs.append(np.concatenate([hidden, reads.ravel()]))
    return outputs


@pytest.mark.parametrize(
    "options", [{}, {"read_first": False, "temperature": 1.0}]
)
def test_writes_where_least_was_used_and_reads_by_content(options):
    cell = made(**options)
    outputs = keras.layers.RNN(cell, return_sequences=True)(X)
    expected = [read_by_hand(cell, xs) for xs in X]
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_half_precision_is_near_to_full_precision(policy):
    cells = [
        km.layers.MemoryCell(UNITS, SLOTS, SIZE, HEADS, DECAY, dtype=dtype)
        for dtype in ("float32", policy)
    ]
    readers = [
        keras.layers.RNN(cell, return_sequences=True, dtype=cell.dtype_policy)
        for cell in cells
    ]
    # Later the rounding of usage may choose other slots.
    x = X[:, :2]
    readers[0](x)
    # Keys of lengths whose squares float16 does not have.
    kernel, bias = cells[0].keys.get_weights()
    cells[0].keys.set_weights([kernel, bias + 1000])
    expected = readers[0](x).numpy()
    readers[1](x)
    cells[1].set_weights(cells[0].get_weights())
    with tf.GradientTape() as tape:
        received = readers[1](x)
        loss = tf.reduce_mean(tf.square(received[..., :UNITS]))
    assert received.dtype == "float16"
    assert np.abs(expected).max() > 256
    scale = 1 + np.abs(expected)
    assert (np.abs(received.numpy() - expected) / scale).max() < 0.01
    gradients = tape.gradient(loss, cells[1].trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_later_steps_do_not_change_earlier_ones():
    reader = keras.layers.RNN(made(), return_sequences=True)
    moved = X.copy()
    moved[:, 4] += 5
    before, after = reader(X), reader(moved)
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert np.abs(after[:, 4:] - before[:, 4:]).max() > 1e-3


def test_what_was_written_is_read_in_the_same_step_or_later():
    first_step = X[:, :1]
    reads = keras.layers.RNN(made())(first_step)[:, UNITS:]
    np.testing.assert_array_equal(reads, 0.0)
    reads = keras.layers.RNN(made(read_first=False))(first_step)[:, UNITS:]
    assert np.abs(reads).max() > 1e-3


def test_options_are_kept():
    options = {"temperature": 0.5, "read_first": False}
    config = made(**options).get_config()
    copy = km.layers.MemoryCell.from_config(config)
    assert copy.get_config() == config
    assert config.items() >= options.items()


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: slots=1"):
        km.layers.MemoryCell(slots=1, heads=2)
    with pytest.raises(ValueError, match="Received: usage_decay=1.5"):
        km.layers.MemoryCell(usage_decay=1.5)
    with pytest.raises(ValueError, match="Received: temperature=0"):
        km.layers.MemoryCell(temperature=0)
