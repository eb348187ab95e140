"""The size of images, and how they are brought to it."""

import numpy as np

from kerasmeta.utils import check_positive_int

# Methods of `tf.image.resize`.
INTERPOLATIONS = (
    *("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5"),
    *("gaussian", "mitchellcubic"),
)


def check_image_size(image_size):
    """Return `(height, width)` as integers, or say what is wrong with it."""
    if np.ndim(image_size) != 1 or len(image_size) != 2:
        raise ValueError(
            "`image_size` must be a pair (height, width). "
            f"Received: image_size={image_size!r}"
        )
    return tuple(check_positive_int("image_size", side) for side in image_size)
