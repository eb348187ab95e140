"""Metrics of episodes."""

from kerasmeta.metrics.open_set_auroc import OpenSetAUROC
from kerasmeta.metrics.task_intervals import TaskIntervals
