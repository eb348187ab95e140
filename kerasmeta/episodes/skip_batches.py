"""A dataset without its first meta-batches."""


def skip_batches(dataset, count):
    """Return a dataset of episodes without its first meta-batches.

    A dataset as `episodes_from_*` made it begins there at once, however far;
    another one, such as after `.map`, makes what it skips.

    Args:
        dataset: `tf.data.Dataset` of meta-batches.
        count: Number of meta-batches.
    """
    skip = getattr(dataset, "skip_batches", dataset.skip)
    return skip(count)
