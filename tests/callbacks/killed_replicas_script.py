"""Training on replicas that is interrupted or killed; run by tests.

`python killed_replicas_script.py mirrored FAMILY BACKUP_DIR` trains on two
devices, with and without interruptions, and prints `equal` at its end.

`python killed_replicas_script.py workers FAMILY BACKUP_DIR RESULT WAY` is one
of two processes that `TF_CONFIG` tells of each other. It shares episodes out as
WAY says, `whole` or `by_stride`, trains, prints a line before each step, and
writes all variables to RESULT_0.npz or RESULT_1.npz when it ends.
"""

import pathlib
import sys

import numpy as np

# Programs find what lies beside them, and this lies a folder above.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

from two_replicas import two_replicas  # noqa: E402

STRATEGY = two_replicas(sys.argv[1])

import killed_run  # noqa: E402

import kerasmeta as km  # noqa: E402


def train(family, callbacks, steps, epochs, **options):
    """Return all that training changes, and the losses, by name."""
    with STRATEGY.scope():
        learner, episodes = killed_run.make(family, **options)
    history = learner.fit(
        episodes,
        steps_per_epoch=steps,
        epochs=epochs,
        verbose=0,
        callbacks=callbacks,
    ).history
    exact = [*learner.variables, *learner.optimizer.variables]
    return {
        **{f"exact {i}": v.numpy() for i, v in enumerate(exact)},
        **{
            f"metric {i}": v.numpy()
            for i, v in enumerate(learner.metrics_variables)
        },
        "metric losses": np.array(history["loss"]),
    }


def check_same(received, expected):
    assert received.keys() == expected.keys()
    for name, array in expected.items():
        # Sums over replicas are shared out anew.
        tolerance = 0 if name.startswith("exact") else 1e-6
        np.testing.assert_allclose(
            received[name], array, rtol=tolerance, err_msg=name
        )


def mirrored(family, folder):
    expected = train(family, [], 5, 3)
    for after in (4, 6):
        backup = km.callbacks.BackupAndRestore(folder, save_freq=3)
        try:
            train(family, [killed_run.Interrupt(after), backup], 5, 3)
        except InterruptedError:
            continue
        raise AssertionError("not interrupted")
    check_same(train(family, [backup], 5, 3), expected)
    print("equal")


def workers(family, folder, result, way):
    place = STRATEGY.cluster_resolver.task_id
    options = {"shard": (place, 2)} if way == "by_stride" else {}
    # Three steps are one and a half meta-batches of a stride.
    backup = km.callbacks.BackupAndRestore(folder, save_freq=3)
    callbacks = [killed_run.Tell(), backup]
    state = train(family, callbacks, 15, 2, **options)
    np.savez(f"{result}_{place}.npz", **state)


if __name__ == "__main__":
    {"mirrored": mirrored, "workers": workers}[sys.argv[1]](*sys.argv[2:])
