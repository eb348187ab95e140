"""Strategies for the inner loop: how fast weights move."""

from kerasmeta.inner_optimizers.adam import Adam
from kerasmeta.inner_optimizers.gradient_descent import GradientDescent
from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.inner_optimizers.momentum import Momentum
from kerasmeta.inner_optimizers.rms_prop import RMSprop
