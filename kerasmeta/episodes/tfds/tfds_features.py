"""The features of a TFDS data set that make an example."""

import tensorflow as tf
import tensorflow_datasets as tfds


class FeatureParser:
    """Parses serialized examples into the features that are asked for.

    Args:
        features: `tfds.features.FeaturesDict` of the data set.
        keys: Name of a feature, or a dictionary or tuple of names.
        image_size: `(height, width)` to resize images to, or `None`.
        interpolation: Method of `tf.image.resize`.
        argument: What the argument `keys` is called in messages.

    Raises:
        ValueError: If there is no such feature, or its shape varies.
    """

    def __init__(
        self,
        features,
        keys,
        image_size=None,
        interpolation="bilinear",
        argument="example_key",
    ):
        self.features = features
        self.keys = keys
        self.image_size = image_size
        self.interpolation = interpolation
        self.argument = argument
        self.element_spec = _map_keys(self._spec, keys)

    def parse(self, record):
        """Return the features of one serialized example, in a graph."""
        example = self.features.deserialize_example(record)
        return _map_keys(lambda key: self._select(example[key], key), self.keys)

    def _select(self, tensor, key):
        if self._is_resized(key):
            tensor = tf.image.resize(
                tensor, self.image_size, self.interpolation
            )
        spec = self._spec(key)
        return tf.ensure_shape(tf.cast(tensor, spec.dtype), spec.shape)

    def _is_resized(self, key):
        is_image = isinstance(self.features[key], tfds.features.Image)
        return is_image and self.image_size is not None

    def _spec(self, key):
        self._check_key(key)
        spec = self.features[key].get_tensor_spec()
        if not isinstance(spec, tf.TensorSpec):
            raise ValueError(
                f"`{self.argument}` must name features that are tensors. "
                f"Received: feature {key!r}, which is {spec}"
            )
        if self._is_resized(key):
            return tf.TensorSpec([*self.image_size, spec.shape[-1]], "float32")
        self._check_shape(key, spec.shape)
        dtype = "float32" if spec.dtype.is_floating else spec.dtype
        return tf.TensorSpec(spec.shape, dtype)

    def _check_shape(self, key, shape):
        if shape.is_fully_defined():
            return
        remedy = (
            "Give `image_size=` to resize images; pad or crop others in a data "
            "set of your own."
        )
        if isinstance(self.features[key], tfds.features.Sequence):
            remedy = (
                "A sequence has any length, and is no class either: pad or "
                "crop it in a data set of your own, to a "
                "`tfds.features.Tensor(shape=(length,))`."
            )
        raise ValueError(
            f"`{self.argument}` must name features of one shape. {remedy} "
            f"Received: feature {key!r} of shape {shape}"
        )

    def _check_key(self, key):
        known = list(self.features.keys())
        if key not in known:
            raise ValueError(
                f"`{self.argument}` must be the name of a feature of the data "
                f"set: {', '.join(map(repr, known))}. "
                f"Received: {self.argument}={key!r}"
            )


def _map_keys(function, keys):
    """Apply a function to the names in a nest of them."""
    if isinstance(keys, dict):
        return {name: _map_keys(function, key) for name, key in keys.items()}
    if isinstance(keys, (tuple, list)):
        return tuple(_map_keys(function, key) for key in keys)
    return function(keys)
