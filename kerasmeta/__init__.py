"""kerasmeta: meta-learning for Keras.

Three words to learn: an *episode* is one task, a support set to learn from and
a query set to be judged on; a *learner* is a `keras.Model` whose input is a
task; *adapt* is what a learner does with a support set.
"""

import keras as _keras

if _keras.backend.backend() != "tensorflow":
    raise ImportError(
        "kerasmeta needs Keras' TensorFlow backend, and Keras runs on "
        f"{_keras.backend.backend()!r}: set the environment variable "
        "KERAS_BACKEND=tensorflow before you import keras."
    )

from kerasmeta import backbones
from kerasmeta import callbacks
from kerasmeta import episodes
from kerasmeta import evaluation
from kerasmeta import inner_optimizers
from kerasmeta import layers
from kerasmeta import learners
from kerasmeta import losses
from kerasmeta import metrics
from kerasmeta import ops
from kerasmeta import rl
from kerasmeta import tasks
from kerasmeta import testing
from kerasmeta import visualization
from kerasmeta.version import __version__
