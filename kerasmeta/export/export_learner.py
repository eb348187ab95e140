"""Writing a learner in one of the formats that need no Keras."""

from kerasmeta.export.litert import write_litert
from kerasmeta.export.saved_model import make_module
from kerasmeta.export.saved_model import write_saved_model

WRITERS = {"tf_saved_model": write_saved_model, "litert": write_litert}


def export_learner(
    learner,
    filepath,
    episodes=None,
    format="tf_saved_model",
    support_size=None,
    query_size=None,
    batch_size=None,
):
    """Write the file or folder of `MetaLearner.export`.

    Args:
        learner: The `MetaLearner`.
        filepath: Where to write.
        episodes: Dictionary of a meta-batch, or a dataset, that shows shapes
            and dtypes, or `None` for what the learner was called with.
        format: One of `WRITERS`.
        support_size: Number of support examples, or `None` for any.
        query_size: Number of query examples, or `None` for any.
        batch_size: Number of tasks, or `None` for one without an axis.
    """
    if not hasattr(learner, "episode_signature"):
        raise ValueError(
            "`learner` must be a `MetaLearner`. Other models have an `export` "
            f"of their own. Received: learner={learner!r}"
        )
    sizes = support_size, query_size, batch_size
    _check(filepath, format, *sizes)
    if episodes is not None:
        learner.remember_signature(episodes)
    if learner.episode_signature is None:
        raise ValueError(
            "The shapes and dtypes of the episodes are not known yet. Call "
            "`fit` or `evaluate` first, or pass `episodes=`, a dataset or a "
            "meta-batch."
        )
    WRITERS[format](filepath, *make_module(learner, *sizes))


def _check(filepath, format, support_size, query_size, batch_size):
    if format not in WRITERS:
        raise ValueError(
            f"`format` must be one of {list(WRITERS)}. "
            f"Received: format={format!r}"
        )
    sizes = {
        "support_size": support_size,
        "query_size": query_size,
        "batch_size": batch_size,
    }
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ValueError(
                f"`{name}` must be a positive integer, or `None` where it is "
                f"not fixed. Received: {name}={size!r}"
            )
    if format != "litert":
        return
    if not str(filepath).endswith(".tflite"):
        raise ValueError(
            "A LiteRT file has a name that ends in .tflite. "
            f"Received: filepath={str(filepath)!r}"
        )
    if support_size is None or query_size is None:
        raise ValueError(
            "LiteRT needs fixed sizes: pass `support_size` and `query_size`. "
            f"Received: support_size={support_size}, query_size={query_size}"
        )
