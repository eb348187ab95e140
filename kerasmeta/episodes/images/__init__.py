"""Episodes from files of images."""

from kerasmeta.episodes.images.directory import image_episodes_from_directory
