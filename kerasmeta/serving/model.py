"""A learner out of a SavedModel, as a server needs it."""

import tensorflow as tf

from .errors import BadRequest
from .tensors import check_classes
from .tensors import check_finite
from .tensors import num_bytes
from .tensors import read_tensors


class ServedModel:
    """What `learner.export` wrote, with its inputs checked.

    Args:
        folder: The SavedModel.
        max_examples: Examples of a request, and classes, that there may be. A
            model whose predictions have a fixed number of classes takes no
            more than those.

    Raises:
        ValueError: If the folder has no SavedModel of a learner, or a damaged
            one.

    Example:

    >>> import tempfile
    >>> from kerasmeta.serving.model import ServedModel
    >>> learner = km.learners.NearestNeighbour(km.backbones.mlp((1,), 2))
    >>> family = km.tasks.Sinusoid().episodes(1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     learner.export(folder, family)
    ...     model = ServedModel(folder, max_examples=10)
    >>> model.inputs["predict_query"]
    {'query_x': TensorSpec(shape=(None, 1), dtype=tf.float32, name='query_x')}
    """

    def __init__(self, folder, max_examples):
        try:
            self._load(folder)
        except MemoryError:
            raise  # Nothing is damaged.
        # Of a damaged SavedModel, TensorFlow raises whatever its parsers do.
        except Exception as error:
            raise ValueError(
                "The folder must be what `learner.export(folder)` wrote, whole "
                f"and undamaged. Received: folder={str(folder)!r}, of which "
                f"TensorFlow says: {type(error).__name__}: {error}"
            ) from error
        # Of one user, or `None` if it depends on the examples.
        self.state_bytes = num_bytes(self._adapt.structured_outputs)
        self._max_examples = max_examples
        self._max_classes = min(max_examples, *self._widths())

    def _load(self, folder):
        signatures = tf.saved_model.load(str(folder)).signatures
        self._adapt = signatures["adapt"]
        self._predict_query = signatures["predict_query"]
        state = self._adapt.structured_outputs
        queries = _inputs(self._predict_query)
        self.inputs = {
            "adapt": _inputs(self._adapt),
            "predict_query": {k: queries[k] for k in queries.keys() - state},
        }

    def _widths(self):
        """Yield how many classes predictions have room for, if it is fixed."""
        for spec in self._predict_query.structured_outputs.values():
            # Unknown where the classes are counted; a single one is a score.
            width = spec.shape[-1] if spec.shape.rank else None
            yield width if width and width > 1 else self._max_examples

    def adapt(self, values):
        """Return the state that a support set from JSON leads to.

        Raises:
            BadRequest: If the model cannot take it.
        """
        arrays = self._read("adapt", values)
        check_classes(arrays, self._max_classes)
        state = _run(self._adapt, arrays)
        check_finite(state, "Adapting to these examples failed:")
        return state

    def predict_query(self, state, values):
        """Return predictions for queries from JSON, as nested lists.

        Raises:
            BadRequest: If the model cannot take them.
        """
        arrays = self._read("predict_query", values)
        outputs = _run(self._predict_query, {**state, **arrays})
        check_finite(outputs, "Predicting these queries failed:")
        return {name: t.numpy().tolist() for name, t in outputs.items()}

    def _read(self, name, values):
        return read_tensors(values, self.inputs[name], self._max_examples)


def _inputs(signature):
    return dict(signature.structured_input_signature[1])


def _run(signature, arrays):
    try:
        tensors = {k: tf.convert_to_tensor(v) for k, v in arrays.items()}
        return signature(**tensors)
    except tf.errors.InvalidArgumentError:
        # TensorFlow's own text would tell of the graph.
        raise BadRequest(
            422,
            "The model refuses these values: is a class, or an id that it "
            "looks up, larger than those that it knows?",
        ) from None
