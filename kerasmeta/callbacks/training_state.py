"""All variables that training changes, as arrays."""

import numpy as np

from kerasmeta.metrics.task_intervals import TaskIntervals


class TrainingState:
    """The variables of a model that is trained: read, and set.

    Weights and other state of its layers with their seeds, the optimizer and
    the metrics. Layers, optimizers and metrics make some of them in the first
    step, so it is for models that have taken one. Intervals over tasks are left
    out: each evaluation begins them anew, and may be the first to make them.

    Args:
        model: Compiled `keras.Model`.
    """

    def __init__(self, model):
        self._groups = {
            "model": model.variables,
            "optimizer": model.optimizer.variables,
            "metrics": [
                variable
                for metric in model.metrics
                if not isinstance(metric, TaskIntervals)
                for variable in metric.variables
            ],
        }

    def get(self):
        """Return a dictionary of arrays."""
        return {
            f"{group}/{i}": variable.numpy()
            for group, variables in self._groups.items()
            for i, variable in enumerate(variables)
        }

    def set(self, arrays):
        """Set the variables to what `get` returned.

        Raises:
            ValueError: If the arrays are those of other variables.
        """
        own = {
            f"{group}/{i}": variable
            for group, variables in self._groups.items()
            for i, variable in enumerate(variables)
        }
        expected = {name: tuple(v.shape) for name, v in own.items()}
        received = {name: array.shape for name, array in arrays.items()}
        if expected != received:
            differing = {
                name: (received.get(name), expected.get(name))
                for name in sorted({*expected, *received})
                if received.get(name) != expected.get(name)
            }
            raise ValueError(
                "The backup is of another learner, optimizer or metrics. Use "
                "another `backup_dir`, or delete this one. Received: "
                "(shape in the backup, shape now) of "
                f"{dict(list(differing.items())[:5])}"
            )
        for name, variable in own.items():
            variable.assign(arrays[name])


def is_finite(variables):
    """Whether no variable of floats is NaN or infinite."""
    arrays = [np.asarray(v.numpy(), "float64") for v in variables]
    return all(np.isfinite(array).all() for array in arrays)
