"""Callbacks for `fit` on episodes."""

from kerasmeta.callbacks.adaptation_curve import AdaptationCurve
from kerasmeta.callbacks.backup_and_restore import BackupAndRestore
from kerasmeta.callbacks.episode_pictures import EpisodePictures
from kerasmeta.callbacks.episodic_early_stopping import EpisodicEarlyStopping
from kerasmeta.callbacks.inner_learning_rate_scheduler import (
    InnerLearningRateScheduler,
)
