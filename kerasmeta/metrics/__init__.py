"""Metrics of episodes."""

from kerasmeta.metrics.gaussian_log_likelihood import GaussianLogLikelihood
from kerasmeta.metrics.gaussian_mean_squared_error import (
    GaussianMeanSquaredError,
)
from kerasmeta.metrics.open_set_auroc import OpenSetAUROC
from kerasmeta.metrics.task_intervals import TaskIntervals
