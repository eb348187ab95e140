"""Episodes: how tasks are drawn from data. Nothing here knows a learner."""

from kerasmeta.episodes.arrays import episodes_from_arrays
from kerasmeta.episodes.audio import audio_episodes_from_directory
from kerasmeta.episodes.audio import episodes_from_waveforms
from kerasmeta.episodes.audit import Audit
from kerasmeta.episodes.audit import audit
from kerasmeta.episodes.curriculum import Curriculum
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.images import episodes_from_pixels
from kerasmeta.episodes.images import image_episodes_from_directory
from kerasmeta.episodes.images import pixel_coordinates
from kerasmeta.episodes.manifest import Manifest
from kerasmeta.episodes.manifest import manifest
from kerasmeta.episodes.mixture import mix_episodes
from kerasmeta.episodes.pipeline import episodes_from_function
from kerasmeta.episodes.split_classes import split_classes
from kerasmeta.episodes.tables import episodes_from_ratings
from kerasmeta.episodes.tables import episodes_from_table
from kerasmeta.episodes.tables import episodes_from_tables
from kerasmeta.episodes.tables import table_encoder
from kerasmeta.episodes.text import episodes_from_text
from kerasmeta.episodes.text import text_episodes_from_file
from kerasmeta.episodes.tfds import episodes_from_tfds
