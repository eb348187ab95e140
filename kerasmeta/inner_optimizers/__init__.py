"""Strategies for the inner loop: how fast weights move."""

from kerasmeta.inner_optimizers.gradient_descent import GradientDescent
from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
