"""Train a learner on all workers of a cluster, or on this machine alone.

The same program runs on every worker. `TF_CONFIG` says where they are:

    TF_CONFIG='{"cluster": {"worker": ["host0:2222", "host1:2222"]},
                "task": {"type": "worker", "index": 0}}' python train.py

In a Job of Kubernetes (`workers.yaml`) it is made from the number of the pod.
Without either, the program trains alone.
"""

import argparse
import json
import os


def cluster_of_job():
    """Make `TF_CONFIG` of a Job with completion mode `Indexed`, if it is one.

    `WORKERS` is the number of pods, `SERVICE` the headless service before
    them, and pod `i` of a job is `JOB-i.SERVICE`.
    """
    if "TF_CONFIG" in os.environ or "JOB_COMPLETION_INDEX" not in os.environ:
        return
    job, service = os.environ["JOB"], os.environ["SERVICE"]
    workers = [
        f"{job}-{i}.{service}:2222" for i in range(int(os.environ["WORKERS"]))
    ]
    index = int(os.environ["JOB_COMPLETION_INDEX"])
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
    )


cluster_of_job()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

# Before anything else of TensorFlow: it starts the server of this worker.
strategy = tf.distribute.MultiWorkerMirroredStrategy()

import kerasmeta as km  # noqa: E402


def main():
    """Train, judge, and save on each worker."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=1000, help="an epoch")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=16, help="of all workers")
    parser.add_argument("--episodes", type=int, default=600, help="to judge by")
    parser.add_argument("--folder", default="run", help="that survives a pod")
    arguments = parser.parse_args()
    place = strategy.cluster_resolver.task_id or 0
    # Each worker writes, though all hold the same: reading some variables is
    # something that all of them have to do together.
    mine = f"{arguments.folder}/worker_{place}"
    os.makedirs(mine, exist_ok=True)
    # The same initial weights on every worker.
    keras.utils.set_random_seed(0)
    with strategy.scope():
        learner = km.learners.MAML(
            km.backbones.mlp((1,), 1), inner_learning_rate=0.01
        )
        learner.compile(
            keras.optimizers.Adam(1e-3), loss="mse", metrics=["mse"]
        )
    tasks = km.tasks.Sinusoid(shots=10)
    # All workers draw the same stream, and each takes its tasks of every step.
    train = tasks.episodes(arguments.tasks)
    judge = tasks.episodes(arguments.tasks, 1, arguments.episodes)
    # After a restart training goes on where it was. Workers keep their backups
    # apart by themselves. One that dies while it saves still needs its own.
    backup = km.callbacks.BackupAndRestore(
        f"{arguments.folder}/backup", delete_checkpoint=False
    )
    history = learner.fit(
        train,
        steps_per_epoch=arguments.steps,
        epochs=arguments.epochs,
        callbacks=[backup],
        verbose=0 if place else 2,
    )
    logs = learner.evaluate(judge, return_dict=True, verbose=0)
    learner.save(f"{mine}/learner.keras")
    backup.delete_backups()
    facts = {
        "workers": strategy.num_replicas_in_sync,
        **history.history,
        **logs,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
