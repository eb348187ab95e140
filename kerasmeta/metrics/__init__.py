"""Metrics of episodes."""

from kerasmeta.metrics.task_intervals import TaskIntervals
