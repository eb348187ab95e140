"""A point that has to find its goal in the plane."""

import keras
import tensorflow as tf

from kerasmeta.ops.seeded_noise import seeded_uniforms
from kerasmeta.rl.environment import Environment

_GOAL_LIMIT = 0.5
_SPEED_LIMIT = 0.1
_ARRIVED = 0.01


@keras.saving.register_keras_serializable(package="kerasmeta")
class Navigation2D(Environment):
    """A point in the plane, to be moved to a goal that it does not see.

    Use it to try learners of continuous actions: what differs between tasks is
    one point, and a good policy for one is bad for another. Goals are uniform
    in the square -0.5..0.5; the point begins at the origin and observes its
    position. An action is a velocity in units of 0.1, clipped to -1..1, so that
    it moves each coordinate by at most 0.1 a step. The reward is

    `-(squared distance to the goal)`

    and an episode ends within 0.01 of the goal, or at the horizon. This is the
    text of the paper; its published code rewards with the distance, not
    squared.

    Reference: Finn, Abbeel and Levine, 2017, "Model-Agnostic Meta-Learning for
    Fast Adaptation of Deep Networks", arXiv:1703.03400, section 5.3.

    Args:
        horizon: Number of steps of an episode.

    Raises:
        ValueError: If `horizon` is not a positive integer.

    Example:

    >>> navigation = km.rl.Navigation2D()
    >>> tasks = {"goal": tf.constant([[0.3, 0.4]])}
    >>> state, _ = navigation.reset(tasks, seed=[0, 0])
    >>> action = tf.constant([[1.0, 5.0]])
    >>> _, position, reward, _ = navigation.step(tasks, state, action, [0, 0])
    >>> position.numpy().round(3), reward.numpy().round(3)
    (array([[0.1, 0.1]], dtype=float32), array([-0.13], dtype=float32))
    """

    def __init__(self, horizon=100):
        super().__init__(
            observation_size=2,
            action_size=2,
            horizon=horizon,
            is_discrete=False,
        )

    def sample_tasks(self, num_tasks, seed):
        uniforms = seeded_uniforms([num_tasks, 2], seed)
        return {"goal": (2 * uniforms - 1) * _GOAL_LIMIT}

    def reset(self, tasks, seed):
        origin = tf.zeros_like(tasks["goal"])
        time = tf.zeros(tf.shape(origin)[:1], "int32")
        return {"position": origin, "time": time}, origin

    def step(self, tasks, state, action, seed):
        velocity = _SPEED_LIMIT * tf.clip_by_value(action, -1.0, 1.0)
        position = state["position"] + velocity
        time = state["time"] + 1
        squared = tf.reduce_sum(tf.square(position - tasks["goal"]), axis=-1)
        done = (squared < _ARRIVED**2) | (time >= self.horizon)
        state = {"position": position, "time": time}
        return state, position, -squared, done

    def get_config(self):
        return {"horizon": self.horizon}
