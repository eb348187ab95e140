"""Episodes from files of images."""

from kerasmeta.episodes.images.image_directory import image_episodes_from_directory
