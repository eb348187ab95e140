"""Episodes from recordings."""

from kerasmeta.episodes.audio.directory import audio_episodes_from_directory
from kerasmeta.episodes.audio.waveforms import episodes_from_waveforms
