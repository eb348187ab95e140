"""Episodes from TensorFlow Datasets."""

from kerasmeta.episodes.tfds.builder import episodes_from_tfds
