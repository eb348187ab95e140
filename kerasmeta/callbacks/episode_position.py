"""Where in the stream of episodes a training run is."""

import tensorflow as tf

from kerasmeta.episodes.skip_batches import skip_batches

_NOT_SHARED_OUT = tf.data.experimental.AutoShardPolicy.OFF


class EpisodePosition:
    """Counts the meta-batches that were trained on, and continues after them.

    Args:
        episodes: What `fit` was called with.
        steps_per_epoch: Integer, or `None` where each epoch is one pass.
        steps_per_execution: Integer, of the model.
        workers: How many train in step. Where each has episodes of its own
            (`shard=`), `tf.distribute` makes as many steps of a meta-batch.

    Raises:
        ValueError: If the episodes are no dataset, or a finite one whose size
            or epochs the numbers of steps do not divide, or whose last steps
            are smaller.
    """

    def __init__(
        self, episodes, steps_per_epoch, steps_per_execution=1, workers=1
    ):
        if not isinstance(episodes, tf.data.Dataset):
            raise ValueError(
                "Training that resumes needs episodes that can be continued: "
                "a `tf.data.Dataset`, as `kerasmeta.episodes` makes them. "
                f"Received: {type(episodes).__name__}"
            )
        options = episodes.options().experimental_distribute
        is_divided = options.auto_shard_policy == _NOT_SHARED_OUT
        self._parts = workers if is_divided else 1
        size = int(episodes.cardinality())
        if self._parts > 1 and size > 0:
            _check_whole(episodes)
        self._size = size * self._parts if size > 0 else None
        if steps_per_epoch and self._size and self._size % steps_per_epoch:
            raise ValueError(
                "To resume, `steps_per_epoch` must divide the number of "
                "meta-batches, or the episodes be endless (`num_episodes` "
                f"left out). Received: steps_per_epoch={steps_per_epoch} for "
                f"{self._size} meta-batches"
            )
        self._episodes = episodes
        batches = steps_per_epoch or self._size
        if self._size and batches % steps_per_execution:
            # Keras' last execution then takes what the next epoch begins with.
            raise ValueError(
                "To resume, `steps_per_execution` must divide the number of "
                "meta-batches of an epoch, or the episodes be endless. "
                f"Received: steps_per_execution={steps_per_execution} for "
                f"epochs of {batches} meta-batches"
            )
        # Plain integers, for JSON has no others.
        self._steps = {
            "steps_per_epoch": steps_per_epoch and int(steps_per_epoch),
            "steps_per_execution": int(steps_per_execution),
            # Where each has a stride of its own; others may be more or fewer.
            "workers": self._parts,
        }
        self.epoch = self.batch = self.total = self.replayed = 0
        self._taken = self._last = 0

    @property
    def is_one_stream(self):
        """Whether epochs continue one iterator, and begin none of their own."""
        return self._steps["steps_per_epoch"] is not None

    @property
    def num_batches(self):
        """Number of meta-batches of an epoch, or `None` if not known."""
        return self._steps["steps_per_epoch"] or self._size

    def get(self):
        """Return it as a dictionary of integers."""
        position = {"epoch": self.epoch, "batch": self.batch}
        return {**position, "total": self.total, **self._steps}

    def resume(self, saved):
        """Take the position that `get` returned in a run before."""
        for name, value in self._steps.items():
            # Earlier backups do not tell of workers.
            if saved.get(name, value) != value:
                raise ValueError(
                    f"To resume, `{name}` must be what it was, {saved[name]}. "
                    f"Received: {name}={value}"
                )
        self.epoch, self.total = saved["epoch"], saved["total"]
        self.batch = self.replayed = saved["batch"]

    def iterator(self, model):
        """Return an iterator over the meta-batches that are to come."""
        batches, steps = divmod(self._index(), self._parts)
        episodes = skip_batches(self._episodes, batches)
        if self.is_one_stream and self._size:
            episodes = episodes.concatenate(self._episodes.repeat())
        iterator = _iterator(model, episodes)
        for _ in range(steps):
            next(iterator)
        return iterator

    def first_iterator(self, model):
        """Return an iterator from the beginning, which is never at its end."""
        return _iterator(model, self._episodes)

    def advance(self, batch):
        """Count what was trained on, up to `batch`; return how much it was."""
        self._last = self._index()
        self._taken = batch + 1 - self.batch
        self.batch += self._taken
        self.total += self._taken
        return self._taken

    def end_epoch(self):
        """Stand at the beginning of the next epoch."""
        self.epoch += 1
        self.batch = self.replayed = 0

    def describe(self):
        """Say where it is, and which episodes were trained on last."""
        text = (
            f"step {self.total} of training (epoch {self.epoch + 1}, "
            f"meta-batch {self.batch})"
        )
        batches, steps = divmod(self._last, self._parts)
        first = skip_batches(self._episodes, batches)
        indices = getattr(first, "episode_indices", None)
        size = tf.nest.flatten(first.element_spec)[0].shape[0]
        if indices is None or size is None:
            return text
        size //= self._parts
        indices = indices.skip(size * steps).take(size * self._taken)
        numbers = [int(i) for i in indices]
        return f"{text}, on the episodes of indices {numbers}"

    def _index(self):
        """Return the number of meta-batches before this place in a pass."""
        if not self.is_one_stream:
            return self.batch
        return self.total % self._size if self._size else self.total


def _check_whole(episodes):
    """Raise a `ValueError` if steps of workers are not all of one size."""
    if tf.nest.flatten(episodes.element_spec)[0].shape[0] is None:
        raise ValueError(
            "To resume with `shard=`, all steps must have the same number of "
            "tasks. Make `num_episodes` a multiple of `batch_size` times the "
            "number of workers, or leave it out. Received: a last meta-batch "
            "that is smaller"
        )


def _iterator(model, episodes):
    """Return an iterator as Keras makes it."""
    distribute = model.distribute_strategy.experimental_distribute_dataset
    return iter(distribute(episodes))
