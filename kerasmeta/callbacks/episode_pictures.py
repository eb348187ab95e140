"""What a learner makes of one episode, while it is trained."""

import importlib.util

import keras

from kerasmeta.callbacks.board import Board
from kerasmeta.learners.checks import check_episodes
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.utils import check_dataset
from kerasmeta.utils import check_positive_int
from kerasmeta.visualization.plot_episode import plot_episode


class EpisodePictures(keras.callbacks.Callback):
    """Draws an episode and its predictions for TensorBoard, at ends of epochs.

    Use it to see what a learner of any family gets right and wrong, and how
    that changes. The picture is that of `km.visualization.plot_episode`, of the
    first task of `episodes`, under the name `episode`. It needs
    `pip install kerasmeta[tensorboard,plots]`.

    Args:
        episodes: Dataset of episodes, which may be endless. It should begin
            with the same ones each time, as those of `kerasmeta.episodes` do.
        log_dir: Folder for TensorBoard. Give other episodes a folder of their
            own below it.
        every: Number of epochs from one picture to the next; the first is at
            the end of the first epoch.

    Raises:
        ValueError: If `episodes` are no dataset or `every` is unsuitable; and
            when training begins, if the model is no learner or could not use
            the episodes, or they are of no kind that can be drawn.
        ImportError: If tensorboard or matplotlib is not installed.

    Example:

    >>> import pathlib, tempfile
    >>> tasks = km.tasks.Sinusoid(shots=5).episodes(2, num_episodes=4)
    >>> learner = km.learners.ConditionalNeuralProcess(width=8)
    >>> loss = km.losses.GaussianNegativeLogLikelihood()
    >>> learner.compile(optimizer="adam", loss=loss)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pictures = km.callbacks.EpisodePictures(tasks, folder)
    ...     history = learner.fit(tasks, verbose=0, callbacks=[pictures])
    ...     len(list(pathlib.Path(folder).iterdir()))
    1
    """

    def __init__(self, episodes, log_dir, every=1):
        super().__init__()
        if importlib.util.find_spec("matplotlib") is None:
            raise ImportError(
                "Pictures need matplotlib. Install it with "
                "`pip install kerasmeta[plots]`."
            )
        self.episodes = check_dataset("episodes", episodes)
        self.every = check_positive_int("every", every)
        self._board = Board(log_dir)

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, MetaLearner):
            raise ValueError(
                "`EpisodePictures` needs a learner, such as `ProtoNet`. "
                f"Received: {type(self.model).__name__}"
            )
        check_episodes(self.model, self.episodes)
        # Episodes that cannot be drawn are said now, not after an epoch.
        plot_episode(*next(iter(self.episodes))[:2])

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every == 0:
            self._board.draw_episode(self.model, self.episodes, "", epoch)
