"""A learner in double precision."""

import contextlib

import keras


@contextlib.contextmanager
def double_precision():
    """Make float64 Keras' default in this scope."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def copy_in_double_precision(learner):
    """Return a compiled copy with the same weights, in float64.

    Call it, and use the copy, within `double_precision()`.

    Raises:
        ValueError: If the learner is not compiled, or a layer of it cannot be
            made anew from its configuration.
    """
    if not learner.compiled:
        raise ValueError("Call `compile(loss=...)` on the learner first.")
    classes = {
        type(layer).__name__: type(layer) for layer in learner._flatten_layers()
    }
    config = keras.saving.serialize_keras_object(learner)
    with keras.saving.custom_object_scope(classes):
        try:
            copy = keras.saving.deserialize_keras_object(_widen(config))
        except (TypeError, NotImplementedError) as error:
            raise ValueError(
                "A copy in float64 needs the learner's configuration. Give "
                "each of your own layers and models a `get_config` that "
                f"returns the arguments of its constructor. Cause: {error}"
            ) from error
    copy.set_weights(learner.get_weights())
    compile_config = _widen(learner.get_compile_config())
    compile_config = keras.saving.deserialize_keras_object(compile_config)
    copy.compile(
        optimizer="sgd",
        loss=compile_config["loss"],
        loss_weights=compile_config["loss_weights"],
    )
    return copy


def _widen(config):
    """Replace all floating-point dtypes in a configuration by float64."""
    if isinstance(config, dict):
        return {key: _widen(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_widen(value) for value in config]
    narrow = ("float16", "bfloat16", "float32")
    mixed = ("mixed_float16", "mixed_bfloat16")
    is_dtype = isinstance(config, str) and config in narrow + mixed
    return "float64" if is_dtype else config
