"""What each inner step is worth, while a learner is trained."""

import keras
import tensorflow as tf

from kerasmeta.callbacks.board import Board
from kerasmeta.learners.checks import check_episodes
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.utils import check_dataset
from kerasmeta.utils import check_positive_int


class AdaptationCurve(keras.callbacks.Callback):
    """Evaluates before the inner loop, and after each of its steps.

    Use it to see whether a gradient learner learns to *adapt*, or only a good
    start; how many steps help; and whether adapting helps on tasks it is not
    trained on. The loss, the compiled metrics and their intervals over the
    queries of `episodes` after `k` steps become `logs["loss_after_k"]`,
    `logs["accuracy_after_k"]`, `logs["accuracy_ci95_after_k"]`; so `History`,
    `CSVLogger` and, listed after this one, `EarlyStopping` and
    `ModelCheckpoint` see them. Each number of steps is a graph of its own,
    compiled once: give `steps` where the inner loop is long.

    With `log_dir` TensorBoard gets them as well, and pictures of the curves and
    of the first episode, if `km.visualization.plot_episode` can draw it. It
    needs `pip install kerasmeta[tensorboard,plots]`; without matplotlib it
    warns, and leaves pictures out.

    Args:
        episodes: Finite dataset of episodes.
        steps: Numbers of inner steps to evaluate after, from 0, or `None` for
            all up to those that the learner takes outside of `fit`.
        every: Number of epochs from one evaluation to the next; the first is
            at the end of the first epoch.
        prefix: What the names in `logs` begin with, to tell several curves
            apart.
        log_dir: Folder for TensorBoard, or `None`.

    Attributes:
        curve: The last evaluation, a dictionary from the number of steps to a
            dictionary of results.

    Raises:
        ValueError: If `episodes` are endless or no dataset, or an argument is
            unsuitable; and when training begins, if the learner is no
            `GradientLearner`.
        ImportError: If `log_dir` is given without tensorboard.

    Example:

    >>> tasks = km.tasks.Sinusoid(shots=5).episodes(2, num_episodes=4)
    >>> curve = km.callbacks.AdaptationCurve(tasks, steps=(0, 1))
    >>> learner = km.learners.MAML(
    ...     km.backbones.mlp((1,), 1, units=(8,)), inner_steps=1
    ... )
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> history = learner.fit(tasks, verbose=0, callbacks=[curve])
    >>> sorted(history.history)
    ['loss', 'loss_after_0', 'loss_after_1']
    >>> sorted(curve.curve)
    [0, 1]
    """

    def __init__(self, episodes, steps=None, every=1, prefix="", log_dir=None):
        super().__init__()
        check_dataset("episodes", episodes)
        if tf.data.INFINITE_CARDINALITY == episodes.cardinality():
            raise ValueError(
                "`episodes` must end, because all of them are evaluated. Make "
                "them with `num_episodes=`, or take some: `episodes.take(10)`. "
                "Received: an endless dataset"
            )
        self.episodes = episodes
        self.steps = None
        if steps is not None:
            self.steps = [check_positive_int("steps", k, 0) for k in steps]
        self.every = check_positive_int("every", every)
        self.prefix = prefix
        self.curve = {}
        self._board = None if log_dir is None else Board(log_dir)
        self._functions = {}

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, GradientLearner):
            raise ValueError(
                "`AdaptationCurve` needs a `GradientLearner`, such as `MAML`: "
                "only those can stop after any of their steps. "
                f"Received: {type(self.model).__name__}"
            )
        check_episodes(self.model, self.episodes)
        # What was compiled may have been compiled for another loss.
        self._functions = {}

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every:
            return
        steps = self.steps
        if steps is None:
            steps = range(self.model.steps_for(training=False) + 1)
        self.curve = {k: self._evaluate_after(k) for k in steps}
        named = {
            f"{self.prefix}{name}_after_{k}": value
            for k, results in self.curve.items()
            for name, value in results.items()
        }
        logs.update(named)
        if self._board is not None:
            self._board.write_numbers(named, epoch)
            self._board.draw_curve(self.curve, self.prefix, epoch)
            self._board.draw_episode(
                self.model, self.episodes, self.prefix, epoch
            )

    def _evaluate_after(self, steps):
        """Return the results of `evaluate` with that many inner steps."""
        learner = self.model
        before = learner.test_inner_steps, learner.test_function
        learner.test_inner_steps = steps
        learner.test_function = self._functions.get(steps)
        try:
            results = learner.evaluate(
                self.episodes, verbose=0, return_dict=True
            )
            self._functions[steps] = learner.test_function
        finally:
            learner.test_inner_steps, learner.test_function = before
        return {name: float(value) for name, value in results.items()}
