"""Reinforcement learning: environments, and learners that act in them."""

from kerasmeta.rl.bandit_strategy import BanditStrategy
from kerasmeta.rl.bernoulli_bandits import BernoulliBandits
from kerasmeta.rl.environment import Environment
from kerasmeta.rl.greedy import Greedy
from kerasmeta.rl.gymnasium_tasks import GymnasiumTasks
from kerasmeta.rl.maml_policy_gradient import MAMLPolicyGradient
from kerasmeta.rl.navigation_2d import Navigation2D
from kerasmeta.rl.optimal_return import optimal_return
from kerasmeta.rl.policy_learner import PolicyLearner
from kerasmeta.rl.random_arms import RandomArms
from kerasmeta.rl.regret import cumulative_regret
from kerasmeta.rl.regret import task_interval
from kerasmeta.rl.rl2 import RL2
from kerasmeta.rl.tabular_mdps import TabularMDPs
from kerasmeta.rl.thompson_sampling import ThompsonSampling
from kerasmeta.rl.ucb1 import UCB1
