"""Episodes: how tasks are drawn from data. Nothing here knows a learner."""

from kerasmeta.episodes.arrays import episodes_from_arrays
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.pipeline import episodes_from_function
from kerasmeta.episodes.split_classes import split_classes
