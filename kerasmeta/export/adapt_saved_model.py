"""A script that adapts a SavedModel to a task with TensorFlow and NumPy alone.

    python adapt_saved_model.py FOLDER TASK.npz PREDICTIONS.npy

It blocks the import of Keras and kerasmeta, and can be copied to a machine
that has neither. `TASK.npz` holds `support_x`, `support_y`, `query_x` and, to
judge the predictions, `query_y`; the class scores of the queries are written
to `PREDICTIONS.npy`.
"""

import sys


def main(folder, task_file, predictions_file):
    """Adapt, predict, and print the predictions beside the truth."""
    # Importing either now fails. TensorFlow loads Keras by itself where it
    # finds it, and would hide that a SavedModel does not need it.
    sys.modules["keras"] = sys.modules["kerasmeta"] = None
    import numpy as np
    import tensorflow as tf

    with np.load(task_file, allow_pickle=False) as task:
        task = dict(task)
    learner = tf.saved_model.load(folder)
    state = learner.adapt(task["support_x"], task["support_y"])
    scores = learner.predict_query(state, task["query_x"]).numpy()
    np.save(predictions_file, scores)

    predicted, truth = scores.argmax(axis=-1), task["query_y"]
    print(f"  TensorFlow {tf.__version__}; Keras and kerasmeta are blocked.")
    print(f"  Adapted to {len(task['support_y'])} labelled examples.\n")
    print("  truth | predictions for the queries of that class")
    for label in np.unique(truth):
        row = " ".join(map(str, predicted[truth == label]))
        print(f"  {label:>5} | {row}")
    right = int(np.sum(predicted == truth))
    print(f"\n  right: {right} of {len(truth)} ({right / len(truth):.1%})")


if __name__ == "__main__":
    main(*sys.argv[1:])
