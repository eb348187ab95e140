"""Acting in many tasks at once."""

import tensorflow as tf

from kerasmeta.ops.seeded_noise import fold_seed


def collect(environment, tasks, policy, memory, steps, seed, restarts=False):
    """Act in each task, and return what happened.

    Args:
        environment: `Environment`.
        tasks: What its `sample_tasks` returned, for `N` tasks.
        policy: Function `(memory, last, seed) -> (memory, action)`, where
            `last` is a dictionary: the `"observation"` now, and the `"action"`,
            `"reward"` and `"done"` that led to it, zeros at first.
        memory: What the policy begins with, a nest of tensors.
        steps: Number of steps, `H`.
        seed: Two integers.
        restarts: Whether a new episode begins where one has ended. Otherwise
            nothing counts after the end of the first.

    Returns:
        Dictionary of tensors `[H, N, ...]` without gradients: `"observation"`,
        the `"action"` taken on it, its `"reward"`, `"done"`, and `"mask"`,
        float32, 1 for steps that count.
    """
    state, observation = environment.reset(tasks, fold_seed(seed, 0))
    first = no_action(environment, observation)
    is_live = tf.ones_like(first["done"])

    def step(carried, number):
        memory, state, last, is_live, _ = carried
        seeds = [fold_seed(fold_seed(seed, number + 1), i) for i in range(3)]
        memory, action = policy(memory, last, seeds[0])
        state, observation, reward, done = environment.step(
            tasks, state, action, seeds[1]
        )
        mask = tf.cast(is_live, "float32")
        seen = {
            "observation": last["observation"],
            "action": action,
            "reward": reward * mask,
            "done": done,
            "mask": mask,
        }
        if restarts:
            state, observation = environment.restart(
                tasks, state, observation, done, seeds[2]
            )
        else:
            is_live = is_live & ~done
        last = {**seen, "observation": observation}
        del last["mask"]
        return memory, state, last, is_live, seen

    nothing = {**first, "mask": tf.zeros_like(first["reward"])}
    *_, experience = tf.scan(
        step,
        tf.range(steps),
        initializer=(memory, state, first, is_live, nothing),
    )
    return tf.nest.map_structure(tf.stop_gradient, experience)


def count_tasks(tasks):
    """Return the number of tasks, as a plain integer where it is known."""
    first = tf.nest.flatten(tasks)[0]
    known = first.shape[0]
    return tf.shape(first)[0] if known is None else known


def no_action(environment, observation):
    """Return what a policy is told before the first action.

    Args:
        environment: `Environment`.
        observation: `[N, observation_size]`.
    """
    reward = tf.zeros_like(observation[:, 0])
    if environment.is_discrete:
        # One-hot, it is all zeros.
        action = tf.fill(tf.shape(reward), -1)
    else:
        action = tf.zeros([tf.shape(reward)[0], environment.action_size])
    return {
        "observation": observation,
        "action": action,
        "reward": reward,
        "done": tf.zeros_like(reward, "bool"),
    }
