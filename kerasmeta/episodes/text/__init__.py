"""Episodes from texts."""

from kerasmeta.episodes.text.text_file import text_episodes_from_file
from kerasmeta.episodes.text.texts import episodes_from_text
