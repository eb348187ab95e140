"""A schedule over epochs for the rate of the inner loop."""

import keras


class InnerLearningRateScheduler(keras.callbacks.Callback):
    """Sets the rate of the inner optimizer at the beginning of each epoch.

    Use it to begin with small inner steps and make them larger, or to let large
    ones cool down, as `keras.callbacks.LearningRateScheduler` does with the
    rate of the outer optimizer. The rate is a variable of the inner optimizer,
    so that nothing is compiled anew, and files keep it. It becomes
    `logs["inner_learning_rate"]`.

    A rate that differs from one inner step to the next is another thing: give
    the inner optimizer a `keras.optimizers.schedules.LearningRateSchedule`.

    Args:
        schedule: Function of `(epoch, learning_rate)`, the number of the epoch
            from 0 and the rate until now, that returns a positive number.

    Raises:
        ValueError: When training begins, if the learner has no inner optimizer,
            or one whose rate is learned or a schedule over inner steps; and if
            a rate is not a positive finite number.

    Example:

    >>> learner = km.learners.MAML(
    ...     km.backbones.mlp((1,), 1, units=(8,)), inner_learning_rate=0.01
    ... )
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> history = learner.fit(
    ...     km.tasks.Sinusoid(shots=5).episodes(batch_size=2), epochs=3,
    ...     steps_per_epoch=1, verbose=0, callbacks=[
    ...         km.callbacks.InnerLearningRateScheduler(
    ...             lambda epoch, rate: rate * 2 if epoch else rate
    ...         )
    ...     ],
    ... )
    >>> history.history["inner_learning_rate"]
    [0.01, 0.02, 0.04]
    """

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def on_train_begin(self, logs=None):
        optimizer = getattr(self.model, "inner_optimizer", None)
        if (
            optimizer is None
            or optimizer.learns_rates
            or callable(optimizer.learning_rate)
        ):
            raise ValueError(
                "`InnerLearningRateScheduler` needs a learner with an inner "
                "optimizer whose rate is a number: no learned rates, and no "
                "schedule over inner steps. Leave it out, or use "
                "`inner_optimizer=km.inner_optimizers.GradientDescent(0.01)`. "
                f"Received: {type(self.model).__name__} with "
                f"inner_optimizer={optimizer!r}"
            )

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.inner_optimizer
        rate = self.schedule(epoch, optimizer.learning_rate)
        optimizer.learning_rate = rate

    def on_epoch_end(self, epoch, logs=None):
        logs["inner_learning_rate"] = self.model.inner_optimizer.learning_rate
