import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.learners.recurrent_network import RecurrentNetwork

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0])
SUPPORT = GENERATOR.normal(size=(6, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(4, 3)).astype("float32")
UNITS = 4


def identity():
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


def made(ways=3, **kwargs):
    learner = RecurrentNetwork(identity(), ways, units=UNITS, **kwargs)
    # Biases that are zero, or alike, would hide where they belong.
    for variable in [*learner.reader.weights, *learner.logits.weights]:
        variable.assign(GENERATOR.normal(size=variable.shape))
    return learner


def solved(learner):
    state = learner.adapt(tf.constant(SUPPORT), tf.constant(LABELS))
    return learner.predict_query(state, tf.constant(QUERIES)).numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def labelled_by_hand(examples, told):
    """Normalize examples, and make labels as long as these are."""
    centered = examples - examples.mean(axis=1, keepdims=True, dtype="float64")
    variance = np.square(centered).mean(axis=1, keepdims=True)
    normalized = centered / np.sqrt(variance + 1e-3)
    return np.concatenate([normalized, np.sqrt(3) * told], axis=1)


def lstm(x, state, weights):
    """Return the next `(hidden, cell)`."""
    (hidden, cell), (kernel, recurrent, bias) = state, weights
    i, f, g, o = np.split(x @ kernel + hidden @ recurrent + bias, 4)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def gru(x, state, weights):
    """Return the next `(hidden,)`; the reset acts behind the matrix."""
    (hidden,), (kernel, recurrent, bias) = state, weights
    given = np.split(x @ kernel + bias[0], 3)
    kept = np.split(hidden @ recurrent + bias[1], 3)
    update, reset = (sigmoid(given[i] + kept[i]) for i in range(2))
    new = np.tanh(given[2] + reset * kept[2])
    return (update * hidden + (1 - update) * new,)


CELLS = {"lstm": (lstm, 2), "gru": (gru, 1)}
each_cell = pytest.mark.parametrize("cell", CELLS)


def logits_by_hand(learner, examples, told):
    """Read a whole sequence; the logits of each member."""
    weights = learner.reader.cell.get_weights()
    last, last_bias = learner.logits.get_weights()
    step, count = CELLS[learner.cell]
    state, logits = (np.zeros(UNITS),) * count, []
    for x in labelled_by_hand(examples, told):
        state = step(x, state, weights)
        logits.append(state[0] @ last + last_bias)
    return np.array(logits)


@each_cell
@pytest.mark.parametrize("shift_labels", [False, True])
def test_reads_the_support_set_and_then_each_query(shift_labels, cell):
    learner = made(shift_labels=shift_labels, cell=cell)
    told = np.concatenate([np.eye(3)[LABELS], np.zeros((1, 3))])
    if shift_labels:
        told = np.roll(told, 1, axis=0)
    for query, logits in zip(QUERIES, solved(learner), strict=True):
        examples = np.concatenate([SUPPORT, [query]])
        expected = logits_by_hand(learner, examples, told)[-1]
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


@each_cell
def test_a_stream_is_predicted_before_its_labels_are_told(cell):
    learner = made(shift_labels=True, cell=cell)
    logits = learner.predict_stream(SUPPORT, LABELS)
    told = np.concatenate([np.zeros((1, 3)), np.eye(3)[LABELS[:-1]]])
    expected = logits_by_hand(learner, SUPPORT, told)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    other = np.array([2, 0, 1, 0, 2, 0])  # Another label at the fourth.
    changed = learner.predict_stream(SUPPORT, other)
    np.testing.assert_array_equal(changed[:4], logits[:4])
    assert np.abs(changed[4:] - logits[4:]).max() > 1e-3


def test_several_streams_at_once():
    learner = made(shift_labels=True)
    x, labels = np.stack([SUPPORT, SUPPORT[::-1]]), np.stack([LABELS] * 2)
    logits = learner.predict_stream(x, labels)
    assert logits.shape == (2, 6, 3)
    for sequence, expected in zip(x, logits, strict=True):
        alone = learner.predict_stream(sequence, LABELS)
        np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-6)
    # In a graph that knows no sizes, too.
    traced = tf.function(
        learner.predict_stream,
        input_signature=[
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([None, None], "int32"),
        ],
    )
    again = traced(tf.constant(x), tf.constant(labels, "int32"))
    np.testing.assert_allclose(again, logits, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "y, received",
    [
        ([0, 7, -1, 1, 0, 0], r"support labels \[-1, 0, 1, 7\]"),
        ([0.0, 0.5, 1.0, 0.0, 0.0, 0.0], "0.5"),
        (LABELS[:5], r"y of shape \(5,\), x of shape \(6, 3\)"),
        (np.eye(3)[LABELS][:, :2], r"y of shape \(6, 2\)"),
        (np.eye(3)[LABELS], "support_y="),
        (1, r"y of shape \(\)"),
    ],
)
def test_bad_labels_of_a_stream(y, received):
    with pytest.raises(ValueError, match=f"Received: .*{received}"):
        made(shift_labels=True).predict_stream(SUPPORT, y)


def test_the_loss_of_the_stream_is_added_in_training():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner = made(shift_labels=True)
    learner.compile(loss=loss)
    x = {
        "support_x": tf.constant(SUPPORT[None]),
        "support_y": tf.constant(LABELS[None]),
        "query_x": tf.constant(QUERIES[None]),
    }
    query_y = np.array([[0, 1, 2, 0]])
    judged, _ = learner.meta_loss(x, query_y, training=False)
    trained, _ = learner.meta_loss(x, query_y, training=True)
    stream = loss(LABELS, learner.predict_stream(SUPPORT, LABELS))
    np.testing.assert_allclose(trained - judged, stream, rtol=1e-5)


@pytest.mark.parametrize("cell, start", [("lstm", 64), ("gru", 0)])
def test_a_cell_with_a_memory_length_begins_by_keeping_its_state(cell, start):
    learner = RecurrentNetwork(
        identity(), ways=3, cell=cell, units=64, memory_length=26
    )
    [*_, bias] = learner.reader.cell.get_weights()
    keep = bias.reshape(-1)[start : start + 64]
    assert np.count_nonzero(bias) == np.count_nonzero(keep) == 64
    lengths = np.exp(keep)
    assert lengths.min() >= 1
    assert lengths.max() <= 25.001
    # Uniform lengths have their mean in the middle, and spread.
    assert 10 < lengths.mean() < 16
    assert lengths.std() > 5
    assert learner.get_config()["memory_length"] == 26


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_first_example_is_heard_at_the_end_with_a_memory_length(cell):
    x = GENERATOR.normal(size=(8, 25, 3)).astype("float32")

    def heard(memory_length):
        keras.utils.set_random_seed(0)
        learner = RecurrentNetwork(
            identity(), 3, cell, units=32, memory_length=memory_length
        )
        told = tf.one_hot(tf.zeros((8, 25), "int32"), 3)
        inputs = tf.constant(learner.examples(x, told))
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs, *_ = learner.reader(inputs)
            loss = tf.reduce_sum(learner.logits(outputs)[:, -1, 0])
        sizes = np.linalg.norm(tape.gradient(loss, inputs), axis=(0, 2))
        return sizes[0] / sizes[-1]

    assert heard(26) > 0.02
    assert heard(26) > 5 * heard(None)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: ways=None"):
        made(ways=None)
    with pytest.raises(ValueError, match="Received: cell='rnn'"):
        made(cell="rnn")
    with pytest.raises(ValueError, match="Received: shift_labels=False"):
        made().predict_stream(SUPPORT, LABELS)
    with pytest.raises(ValueError, match="Received: memory_length=1"):
        made(memory_length=1)
