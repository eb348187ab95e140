"""Episodes from files of images."""

from kerasmeta.episodes.images.directory import image_episodes_from_directory
from kerasmeta.episodes.images.pixels import episodes_from_pixels
from kerasmeta.episodes.images.pixels import pixel_coordinates
