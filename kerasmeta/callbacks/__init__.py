"""Callbacks for what only learners have: inner loops and intervals."""

from kerasmeta.callbacks.adaptation_curve import AdaptationCurve
from kerasmeta.callbacks.episodic_early_stopping import EpisodicEarlyStopping
from kerasmeta.callbacks.inner_learning_rate_scheduler import (
    InnerLearningRateScheduler,
)
