"""Strategies for the inner loop: how fast weights move."""

from kerasmeta.inner_optimizers.adam import Adam
from kerasmeta.inner_optimizers.curvature import Curvature
from kerasmeta.inner_optimizers.generated_rates import GeneratedRates
from kerasmeta.inner_optimizers.gradient_descent import GradientDescent
from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.inner_optimizers.learned_rates import LearnedRates
from kerasmeta.inner_optimizers.lstm_steps import LSTMSteps
from kerasmeta.inner_optimizers.momentum import Momentum
from kerasmeta.inner_optimizers.rms_prop import RMSprop
