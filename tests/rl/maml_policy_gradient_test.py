import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

BANDITS = km.rl.BernoulliBandits(arms=2)
RATE = 3.0


def linear(inputs, outputs):
    return keras.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(outputs)]
    )


def made(environment=BANDITS, network=None, **kwargs):
    if network is None:
        width = environment.action_size
        width = width if environment.is_discrete else 2 * width
        network = linear(environment.observation_size, width)
    arguments = {"episodes_per_step": 4, **kwargs}
    learner = km.rl.MAMLPolicyGradient(environment, network, **arguments)
    learner.compile(optimizer=keras.optimizers.Adam(1e-2))
    return learner


def policy_of(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def expected_return(logits, chances):
    return (policy_of(logits) * chances).sum(axis=-1)


def stepped(logits, chances, rate):
    """Take an exact gradient step, each row for itself."""
    policy = policy_of(logits)
    surplus = chances - expected_return(logits, chances)[..., None]
    return logits + rate * policy * surplus


def enumerated(logits, chances):
    """Return each outcome once, weighted by how likely it is, `[1, T, 4]`."""
    action = np.array([0, 0, 1, 1])
    reward = np.array([0.0, 1.0, 0.0, 1.0])
    paid = chances[:, action]
    likely = policy_of(logits)[:, action] * np.where(reward, paid, 1 - paid)
    tasks = len(chances)
    return {
        "observation": tf.zeros([1, tasks, 4, 1]),
        "action": tf.constant(np.tile(action, (1, tasks, 1)), "int32"),
        "mask": tf.ones([1, tasks, 4]),
        # The gain is a mean over four outcomes.
        "advantage": tf.constant(4 * likely[None] * reward, "float32"),
    }


@pytest.mark.parametrize("memory", [0.0, 1.0])
def test_meta_gradient_is_that_of_the_expected_return(memory):
    learner = made(inner_steps=2, inner_learning_rate=RATE, memory=memory)
    chances = np.array([[0.1, 0.9], [0.7, 0.4], [0.2, 0.5]])
    start = np.array([0.4, -0.3])
    learner.network.set_weights([np.zeros((1, 2)), start])

    def after_steps(logits):
        rows = np.tile(logits, (3, 1))
        once = stepped(rows, chances, RATE)
        # Only the first step has the full rate.
        return rows, once, stepped(once, chances, RATE / 2)

    experience = [enumerated(rows, chances) for rows in after_steps(start)]
    with tf.GradientTape() as tape:
        loss = learner.policy_loss(experience)
    bias = learner.network.trainable_variables[1]
    received = -tape.gradient(loss, bias).numpy()

    def objective(logits):
        return expected_return(after_steps(logits)[-1], chances).mean()

    expected = [
        (objective(start + 1e-5 * e) - objective(start - 1e-5 * e)) / 2e-5
        for e in np.eye(2)
    ]
    np.testing.assert_allclose(received, expected, rtol=1e-4)
    # Taking the inner gradients for constants would be another number.
    rows = after_steps(start)[-1]
    constant = (stepped(rows, chances, 1.0) - rows).mean(axis=0)
    assert (np.abs(constant / expected - 1) > 0.05).all()


# A process of two states: the chance to come to the second, and the rewards.
CHANCE = np.array([0.2, 0.7])
REWARDS = np.array([[0.3, 0.0], [-1.0, 2.0]])
# What can happen in two steps: an action, a state, another action.
FIRST, PLACE, SECOND = np.array(np.meshgrid(*[[0, 1]] * 3)).reshape(3, -1)


def walked(weights):
    """Return how likely each walk is, and what it earns from each step."""
    kernel, bias = weights
    policy = policy_of(kernel + bias)
    moved = np.where(PLACE, CHANCE[FIRST], 1 - CHANCE[FIRST])
    likely = policy[0, FIRST] * moved * policy[PLACE, SECOND]
    last = REWARDS[PLACE, SECOND]
    return likely, np.stack([REWARDS[0, FIRST] + last, last])


def climbed(weights, rate):
    """Take an exact step of the gradient of the expected return."""
    kernel, bias = weights
    likely, earned = walked(weights)
    policy = policy_of(kernel + bias)
    slope = np.zeros((2, 2))
    places = [np.zeros_like(PLACE), PLACE]
    for step, action in enumerate([FIRST, SECOND]):
        score = np.eye(2)[action] - policy[places[step]]
        np.add.at(slope, places[step], (likely * earned[step])[:, None] * score)
    return kernel + rate * slope, bias + rate * slope.sum(axis=0)


def walks(weights):
    """Return each walk once, weighted by how likely it is."""
    likely, earned = walked(weights)
    places = np.stack([np.zeros_like(PLACE), PLACE])
    return {
        "observation": tf.constant(np.eye(2)[places][:, None], "float32"),
        "action": tf.constant(np.stack([FIRST, SECOND])[:, None], "int32"),
        "mask": tf.ones([2, 1, 8]),
        # The gain is a mean over two steps of eight walks.
        "advantage": tf.constant(16 * likely * earned, "float32")[:, None],
    }


def test_over_several_steps_a_memory_of_one_is_exact():
    start = [np.array([[0.4, -0.3], [0.2, 0.1]]), np.array([0.0, 0.5])]

    def after_steps(weights):
        once = climbed(weights, RATE)
        return weights, once, climbed(once, RATE / 2)

    def objective(weights):
        likely, earned = walked(after_steps(weights)[-1])
        return (likely * earned[0]).sum()

    experience = [walks(weights) for weights in after_steps(start)]
    expected = []
    for nudge in np.eye(6) * 1e-5:
        nudge = nudge[:4].reshape(2, 2), nudge[4:]
        ahead, behind = (
            objective([w + sign * n for w, n in zip(start, nudge)])
            for sign in (1, -1)
        )
        expected.append((ahead - behind) / 2e-5)
    received = {}
    for memory in (0.0, 1.0):
        learner = made(
            km.rl.TabularMDPs(2, 2, horizon=2),
            inner_steps=2,
            inner_learning_rate=RATE,
            memory=memory,
        )
        learner.network.set_weights(start)
        with tf.GradientTape() as tape:
            loss = learner.policy_loss(experience)
        gradients = tape.gradient(loss, learner.network.trainable_variables)
        received[memory] = -np.concatenate([np.ravel(g) for g in gradients])
    np.testing.assert_allclose(received[1.0], expected, rtol=1e-3, atol=1e-5)
    off = np.abs(received[0.0] - expected).max() / np.abs(expected).max()
    assert off > 0.05


def test_inner_steps_are_those_of_each_task():
    learner = made(inner_learning_rate=RATE)
    chances = np.array([[0.1, 0.9], [0.7, 0.4]])
    start = np.array([0.4, -0.3])
    learner.network.set_weights([np.zeros((1, 2)), start])
    rows = np.tile(start, (2, 1))
    weights = learner.policies.initial_weights(2)
    _, bias = learner.adapt(weights, enumerated(rows, chances))
    np.testing.assert_allclose(bias, stepped(rows, chances, RATE), rtol=1e-5)


def test_episodes_end_and_count_no_more():
    navigation = km.rl.Navigation2D(horizon=6)
    network = linear(2, 4)
    # Nearly the same move each time: half a unit, to the right.
    network.set_weights([np.zeros((2, 4)), np.array([0.5, 0, -20, -20])])
    learner = made(navigation, network, episodes_per_step=2, discount=0.5)
    tasks = {"goal": tf.constant([[0.1, 0.0], [-0.1, 0.0]])}
    weights = learner.policies.initial_weights(2)
    seen = learner.explore(tasks, weights, [0, 0])
    assert seen["observation"].shape == (6, 2, 2, 2)
    np.testing.assert_array_equal(seen["mask"][:, 0, 1], [1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(seen["mask"][:, 1, 1], np.ones(6))
    far = -((0.1 + 0.05 * np.arange(1, 7)) ** 2)
    np.testing.assert_allclose(seen["reward"][:, 1, 0], far, rtol=0.02)
    np.testing.assert_allclose(
        seen["reward"][:, 0, 0], [-(0.05**2), 0, 0, 0, 0, 0], atol=2e-4
    )
    advantage = seen["advantage"].numpy()
    assert (advantage[2:, 0] == 0).all()


def advantages(learner, observation, reward):
    mask = tf.ones_like(reward)
    seen = {"observation": observation, "reward": reward, "mask": mask}
    return learner._advantages(seen).numpy()


def test_few_steps_have_the_mean_for_a_baseline():
    """Regression on more numbers than there are steps would leave nothing."""
    generator = np.random.default_rng(0)
    mdps = km.rl.TabularMDPs(states=10, horizon=6)
    for episodes in (2, 4, 5):
        learner = made(mdps, episodes_per_step=episodes, discount=0.0)
        shape = (6, 3, episodes)
        seen = tf.constant(generator.normal(size=(*shape, 10)), "float32")
        reward = generator.normal(size=shape)
        received = advantages(learner, seen, tf.constant(reward, "float32"))
        centred = reward - reward.mean(axis=(0, 2), keepdims=True)
        deviation = reward.std(axis=(0, 2), keepdims=True)
        is_mean = np.allclose(received, centred / deviation, atol=1e-4)
        # The baseline has 24 numbers to fit.
        assert is_mean == (6 * episodes <= 24)


def test_fit_evaluate_and_save(tmp_path):
    learner = made(inner_steps=1, test_inner_steps=2)
    history = learner.fit(BANDITS.trials(3), steps_per_epoch=2, verbose=0)
    assert set(history.history) == {"loss", "return_0", "return_1"}
    test = BANDITS.trials(4, seed=1, num_trials=4)
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    names = {f"return_{i}{end}" for i in range(3) for end in ("", "_ci95")}
    assert set(logs) == names
    [batch] = test
    _, returns = learner.collect(batch["tasks"], batch["seed"][0])
    for name, values in returns.items():
        mean, width = km.rl.task_interval(values)
        np.testing.assert_allclose(logs[name], mean, rtol=1e-4)
        np.testing.assert_allclose(logs[f"{name}_ci95"], width, rtol=1e-4)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    configs = [model.get_config() for model in (learner, loaded)]
    for config in configs:
        del config["network"]
    assert configs[0] == configs[1] and loaded.compiled
    for a, b in zip(learner.get_weights(), loaded.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_it_learns_to_navigate():
    navigation = km.rl.Navigation2D(horizon=20)
    network = km.backbones.mlp((2,), 4)
    learner = made(navigation, network, episodes_per_step=20)
    learner.compile(optimizer=keras.optimizers.Adam(3e-3, global_clipnorm=1.0))
    learner.fit(navigation.trials(20), steps_per_epoch=80, verbose=0)
    test = navigation.trials(40, seed=1, num_trials=40)
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    gained = logs["return_1"] - logs["return_0"]
    assert gained > logs["return_1_ci95"] + logs["return_0_ci95"]


def trained(learner, test, batch_size, steps):
    """Train; return what `evaluate` says before and after."""
    trials = learner.environment.trials(batch_size)
    before = learner.evaluate(test, return_dict=True, verbose=0)
    learner.fit(trials, steps_per_epoch=steps, verbose=0)
    return before, learner.evaluate(test, return_dict=True, verbose=0)


@pytest.mark.slow
def test_it_learns_to_explore_bandits():
    learner = made(episodes_per_step=20, inner_learning_rate=10.0)
    # It pulls the first arm nearly always, and hardly hears of the other.
    learner.network.set_weights([np.zeros((1, 2)), np.array([2.0, -2.0])])
    learner.compile(keras.optimizers.Adam(5e-2, global_clipnorm=1.0))
    test = BANDITS.trials(500, seed=1, num_trials=500)
    before, after = trained(learner, test, batch_size=100, steps=100)
    # Nobody knows of an arm what one who knows neither does not.
    policy = policy_of(learner.network.get_weights()[1])
    np.testing.assert_allclose(policy, [0.5, 0.5], atol=0.05)
    [batch] = test
    best = np.max(batch["tasks"]["probabilities"], axis=1).mean()
    assert before["return_1"] + before["return_1_ci95"] < 0.85 * best
    assert after["return_1"] > 0.95 * best
    assert after["return_1"] < best + after["return_1_ci95"]


def best_return(tasks, horizon):
    """Return what one who knows a process can expect, by going backwards."""
    transitions, rewards = (
        tasks[name].numpy() for name in ("transitions", "rewards")
    )
    values = np.zeros(rewards.shape[:2])
    for _ in range(horizon):
        worth = np.einsum("tsan,tn->tsa", transitions, values)
        values = (rewards + worth).max(axis=-1)
    return values[:, 0].mean()


@pytest.mark.slow
def test_it_learns_to_adapt_to_processes():
    mdps = km.rl.TabularMDPs(states=3, actions=3, horizon=5)
    network = km.backbones.mlp((3,), 3, units=(32,))
    learner = made(mdps, network, episodes_per_step=20, inner_learning_rate=0.5)
    learner.compile(keras.optimizers.Adam(1e-2, global_clipnorm=1.0))
    test = mdps.trials(200, seed=1, num_trials=200)
    before, after = trained(learner, test, batch_size=40, steps=120)
    gained = after["return_1"] - before["return_1"]
    assert gained > after["return_1_ci95"] + before["return_1_ci95"]
    [batch] = test
    best = best_return(batch["tasks"], horizon=5)
    share = (after["return_1"] - after["return_0"]) / (best - after["return_0"])
    assert 0.4 < share < 1


@pytest.mark.parametrize(
    "name, value",
    [
        ("inner_steps", 0),
        ("inner_learning_rate", -1),
        ("episodes_per_step", 0),
        ("discount", 2),
        ("memory", -1),
    ],
)
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        made(**{name: value})


class OwnNetwork(keras.Model):
    def __init__(self, outputs=2):
        super().__init__()
        self.head = keras.layers.Dense(outputs)

    def call(self, x):
        return self.head(x)


def test_a_sub_classed_network():
    network = OwnNetwork()
    with pytest.raises(ValueError, match="must be a built"):
        made(network=network)
    network(tf.zeros([1, 1]))
    learner = made(network=network)
    weights = learner.policies.initial_weights(1)
    seen = tf.constant([[[0.5], [-2.0]]])
    np.testing.assert_allclose(
        learner.policies.outputs(weights, seen)[0], network(seen[0])
    )
    wide = OwnNetwork(3)
    wide(tf.zeros([1, 1]))
    with pytest.raises(ValueError, match=r"Received: .*\(1, 3\)"):
        made(network=wide)


def test_one_action_teaches_nothing():
    with pytest.raises(ValueError, match="Received: episodes_per_step=1"):
        made(episodes_per_step=1)
    made(km.rl.TabularMDPs(horizon=2), episodes_per_step=1)


def test_the_network_must_fit():
    with pytest.raises(ValueError, match=r"mlp\(\(2,\), 4\)"):
        made(km.rl.Navigation2D(), linear(2, 2))
    with pytest.raises(ValueError, match="test_inner_steps=1"):
        made(inner_steps=2, test_inner_steps=1)
