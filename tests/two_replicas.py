"""Two replicas, for programs that tests run in processes of their own."""

import tensorflow as tf


def two_replicas(kind):
    """Make the strategy, which has to come before everything else.

    Args:
        kind: `"mirrored"`, two devices of this process, or `"workers"`, where
            this is one of two processes that `TF_CONFIG` tells of each other.
    """
    if kind == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
