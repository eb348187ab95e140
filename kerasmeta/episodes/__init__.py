"""Episodes: how tasks are drawn from data. Nothing here knows a learner."""

from kerasmeta.episodes.arrays import episodes_from_arrays
from kerasmeta.episodes.audit import Audit
from kerasmeta.episodes.audit import audit
from kerasmeta.episodes.curriculum import Curriculum
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.manifest import Manifest
from kerasmeta.episodes.manifest import manifest
from kerasmeta.episodes.mixture import mix_episodes
from kerasmeta.episodes.pipeline import episodes_from_function
from kerasmeta.episodes.split_classes import split_classes
