"""What `fit` and `evaluate` of learners that act can use."""


def check_trials(data, strategy):
    """Raise a `ValueError` if a learner could not act on `data`.

    Args:
        data: What should be a dataset as `Environment.trials` returns it.
        strategy: `tf.distribute.Strategy` of the learner.
    """
    spec = getattr(data, "element_spec", None)
    if not isinstance(spec, dict) or spec.keys() != {"tasks", "seed"}:
        raise ValueError(
            "Learners that act are trained and evaluated on what "
            "`Environment.trials` returns, such as "
            "`environment.trials(batch_size=32)`. "
            f"Received: {data!r}"
        )
    replicas = strategy.num_replicas_in_sync
    batch_size = spec["seed"].shape[0]
    if batch_size is not None and batch_size % replicas:
        raise ValueError(
            f"{replicas} replicas share a meta-batch, so `batch_size` must be "
            f"a multiple of {replicas}. Received: batch_size={batch_size}"
        )
