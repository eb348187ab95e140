"""Writing a learner for LiteRT, which was TensorFlow Lite."""

import pathlib
import re
import tempfile

import tensorflow as tf

from kerasmeta.export.builtin_graph import with_builtin_ops
from kerasmeta.export.saved_model import make_signature
from kerasmeta.export.saved_model import signature_inputs
from kerasmeta.ops.linear_systems import no_float64

NAMES = ["adapt", "predict_query"]


def write_litert(filepath, module, specs):
    """Write what `make_module` returned as a LiteRT file.

    Args:
        filepath: File to write.
        module: The module.
        specs: The specs of its inputs.
    """
    inputs = signature_inputs(module, specs)
    # All in one graph, for calls would hide operations.
    with no_float64():
        signatures = {
            name: make_signature(
                getattr(module, name).python_function, inputs[name]
            )
            for name in NAMES
        }
    replaced = {k: with_builtin_ops(v) for k, v in signatures.items()}
    # The converter would take a module with a `serve` for one of Keras, and
    # convert nothing else.
    del module.serve
    with tempfile.TemporaryDirectory() as folder:
        # Nothing is differentiated any more.
        options = tf.saved_model.SaveOptions(
            experimental_custom_gradients=False
        )
        tf.saved_model.save(module, folder, replaced, options)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, NAMES)
        # TensorFlow's own operations only where LiteRT has none.
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
        pathlib.Path(filepath).write_bytes(_convert(converter))


def _convert(converter):
    """Return the bytes of a file, or say which operations cannot be in one."""
    try:
        return converter.convert()
    except Exception as error:  # The type of the converter is not public.
        missing = set(re.findall(r"'tf\.(\w+)' op is neither", str(error)))
        if not missing:
            raise
        raise ValueError(
            "LiteRT has no operations for what this learner computes, nor can "
            f"it use TensorFlow's: {sorted(missing)}. Export a SavedModel."
        ) from error
