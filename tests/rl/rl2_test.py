import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

BANDITS = km.rl.BernoulliBandits(arms=2)
CHANCES = np.array([0.3, 0.8])


def made(environment=BANDITS, trial_length=2, **kwargs):
    learner = km.rl.RL2(environment, trial_length, **{"units": 3, **kwargs})
    learner.compile(optimizer=keras.optimizers.Adam(1e-2))
    return learner


def every_trial():
    """Return all that can happen in two pulls of two arms."""
    outcomes = np.array(list(itertools.product(range(2), repeat=4))).T
    action, reward = outcomes[:2], outcomes[2:]
    return {
        "observation": tf.zeros([2, 16, 1]),
        "action": tf.constant(action, "int32"),
        "reward": tf.constant(reward, "float32"),
        "done": tf.ones([2, 16], "bool"),
        "mask": tf.ones([2, 16]),
    }


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def probabilities(weights, action, reward):
    """Return how likely each trial is, by a GRU in NumPy."""
    kernel, recurrent, bias, head, head_bias = weights
    memory = np.zeros((16, 3))
    last = np.zeros((16, 5))
    likely = np.ones(16)
    for step in range(2):
        given = np.split(last @ kernel + bias[0], 3, axis=1)
        kept = np.split(memory @ recurrent + bias[1], 3, axis=1)
        update, reset = (sigmoid(given[i] + kept[i]) for i in range(2))
        new = np.tanh(given[2] + reset * kept[2])
        memory = update * memory + (1 - update) * new
        policy = np.exp(memory @ head + head_bias)
        policy /= policy.sum(axis=1, keepdims=True)
        arm = action[step]
        likely = likely * policy[np.arange(16), arm]
        paid = CHANCES[arm]
        likely = likely * np.where(reward[step], paid, 1 - paid)
        told = [reward[step][:, None], np.ones((16, 1))]
        last = np.concatenate([np.zeros((16, 1)), np.eye(2)[arm], *told], 1)
    return likely


def test_gradient_is_that_of_the_expected_return():
    learner = made(entropy_weight=0.0)
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=w.shape) for w in learner.get_weights()]
    learner.set_weights(weights)
    weights, trials = weights[:5], every_trial()
    action, reward = trials["action"].numpy(), trials["reward"].numpy()

    def expected_return(weights):
        likely = probabilities(weights, action, reward)
        np.testing.assert_allclose(likely.sum(), 1)
        return (likely * reward.sum(axis=0)).sum()

    outputs, rates = learner(trials)
    likely = probabilities(weights, action, reward)
    earned = reward[::-1].cumsum(axis=0)[::-1]
    experience = {
        **trials,
        "log_prob": learner.actions.log_prob(outputs, trials["action"]),
        # The loss is a mean over 16 trials of two steps.
        "advantage": tf.constant(32 * likely * earned, "float32"),
        "rate": rates,
    }
    with tf.GradientTape() as tape:
        loss = learner.policy_loss(experience)
    gradients = tape.gradient(loss, learner.trainable_variables)[:5]
    for _ in range(5):
        direction = [generator.normal(size=w.shape) for w in weights]
        ahead, behind = (
            expected_return(
                [w + sign * 1e-5 * d for w, d in zip(weights, direction)]
            )
            for sign in (1, -1)
        )
        slope = sum((g * d).numpy().sum() for g, d in zip(gradients, direction))
        np.testing.assert_allclose(
            -slope, (ahead - behind) / 2e-5, rtol=1e-3, atol=1e-6
        )


def test_actions_are_drawn_from_what_is_trained():
    learner = made(km.rl.TabularMDPs(3, 2, horizon=2), trial_length=5)
    tasks = learner.environment.sample_tasks(4, [0, 0])
    experience = learner.play(tasks, [0, 1])
    outputs, _ = learner(experience)
    memory = learner.initial_memory(4)
    last = learner.first_input(4)
    for step in range(5):
        last["observation"] = experience["observation"][step]
        memory, _ = learner.act(memory, last, [0, 0])
        np.testing.assert_allclose(
            learner.policy_head(memory), outputs[step], atol=1e-5
        )
        last = {k: experience[k][step] for k in ("action", "reward", "done")}
    np.testing.assert_array_equal(experience["done"][:, 0], [0, 1] * 2 + [0])
    # Each episode begins in the first state.
    starts = experience["observation"].numpy()[::2]
    assert (starts == [1, 0, 0]).all()


def test_shares_of_actions_are_their_probabilities():
    learner = made()
    logits = tf.constant([[1.0, 0.0, -1.0]])
    many = tf.repeat(logits, 30000, axis=0)
    actions = km.rl.RL2(km.rl.BernoulliBandits(3), 2).actions
    drawn = np.bincount(actions.sample(many, [0, 0])) / 30000
    expected = np.exp(logits[0]) / np.exp(logits).sum()
    np.testing.assert_allclose(drawn, expected, atol=0.015)
    np.testing.assert_allclose(
        actions.entropy(logits), [-(expected * np.log(expected)).sum()], 1e-5
    )
    assert learner.actions.output_size == 2


def test_continuous_actions():
    learner = made(km.rl.Navigation2D(horizon=3), trial_length=3)
    actions = learner.actions
    outputs = tf.constant([[0.5, -1.0, 0.0, 0.7]])
    drawn = actions.sample(tf.repeat(outputs, 30000, axis=0), [0, 0]).numpy()
    deviation = np.exp([0.0, 0.7])
    np.testing.assert_allclose(drawn.mean(axis=0), [0.5, -1], atol=0.06)
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.02)
    logs = actions.log_prob(outputs, drawn).numpy()
    scaled = (drawn - [0.5, -1]) / deviation
    expected = -0.5 * scaled**2 - np.log(deviation * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(logs, expected.sum(axis=1), rtol=1e-4)
    entropy = actions.entropy(outputs)[0]
    np.testing.assert_allclose(entropy, -logs.mean(), atol=0.03)
    experience, returns = learner.collect({"goal": tf.zeros([4, 2])}, [0, 0])
    assert experience["action"].shape == (3, 4, 2)
    assert returns["return"].shape == (4,)


def test_what_is_too_much_is_clipped():
    learner = made(entropy_weight=0.0)
    trials = every_trial()
    outputs, rates = learner(trials)
    log_prob = learner.actions.log_prob(outputs, trials["action"])
    for shift, advantage, expected in [
        (0.5, 1.0, 1.2),
        (-0.5, 1.0, np.exp(-0.5)),
        (0.5, -1.0, -np.exp(0.5)),
        (-0.5, -1.0, -0.8),
    ]:
        experience = {
            **trials,
            "log_prob": log_prob - shift,
            "advantage": tf.fill([2, 16], advantage),
            "rate": rates,
        }
        loss = learner.policy_loss(experience)
        np.testing.assert_allclose(-loss, expected, rtol=1e-5)


def test_fit_evaluate_and_save(tmp_path):
    learner = made(trial_length=4, units=16)
    history = learner.fit(
        BANDITS.trials(256), steps_per_epoch=30, epochs=2, verbose=0
    )
    assert set(history.history) == {"loss", "return"}
    test = BANDITS.trials(500, seed=1, num_trials=1000)
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    # It has learned: 2 is chance.
    assert logs["return"] - logs["return_ci95"] > 2.1
    earned = []
    for batch in test:
        played = learner.play(batch["tasks"], batch["seed"][0])
        earned.extend(np.sum(played["reward"], axis=0))
    np.testing.assert_allclose(logs["return"], np.mean(earned), atol=0.01)
    width = 1.96 * np.std(earned, ddof=1) / 1000**0.5
    np.testing.assert_allclose(logs["return_ci95"], width, rtol=0.02)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    trials = {k: v[:, :3] for k, v in played.items()}
    for a, b in zip(learner(trials), loaded(trials)):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert loaded.get_config() == learner.get_config()
    assert loaded.compiled


@pytest.mark.slow
def test_xla_learns_the_same():
    results = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        learner = made(trial_length=3)
        learner.compile(optimizer="adam", jit_compile=jit_compile)
        learner.fit(BANDITS.trials(32), steps_per_epoch=3, verbose=0)
        results.append(learner.get_weights())
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.slow
def test_it_comes_to_what_is_optimal():
    learner = km.rl.RL2(BANDITS, trial_length=5, units=32)
    learner.compile(optimizer=keras.optimizers.Adam(1e-2, global_clipnorm=1.0))
    learner.fit(BANDITS.trials(256), steps_per_epoch=300, verbose=0)
    tasks = BANDITS.sample_tasks(20000, [1, 0])
    arms = learner.play(tasks, [1, 1])["action"]
    mean, width = km.rl.task_interval(km.rl.cumulative_regret(tasks, arms)[-1])
    # The better arm of two pays 2/3.
    optimal = 5 * 2 / 3 - km.rl.optimal_return(arms=2, pulls=5)
    assert optimal - 1.5 * width < mean < 1.05 * optimal
    arms, _ = km.rl.ThompsonSampling().play(BANDITS, tasks, 5, [1, 1])
    other, _ = km.rl.task_interval(km.rl.cumulative_regret(tasks, arms)[-1])
    assert other > 1.2 * optimal


@pytest.mark.slow
def test_it_learns_to_explore_processes():
    mdps = km.rl.TabularMDPs(states=3, actions=3, horizon=5)
    learner = km.rl.RL2(mdps, trial_length=30)
    learner.compile(optimizer=keras.optimizers.Adam(1e-2))
    learner.fit(mdps.trials(256), steps_per_epoch=60, verbose=0)
    test = mdps.trials(500, seed=1, num_trials=500)
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    # At random it earns 1 a step.
    assert logs["return"] - 3 * logs["return_ci95"] > 30


@pytest.mark.parametrize(
    "name, value",
    [
        ("trial_length", 0),
        ("units", 0),
        ("updates", 0),
        ("discount", 1.1),
        ("trace", -1),
        ("clip", 0),
        ("entropy_weight", -1),
    ],
)
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        made(**{name: value})


def test_an_environment_is_needed():
    with pytest.raises(ValueError, match="km.rl.Environment"):
        km.rl.RL2("bandits", 3)
