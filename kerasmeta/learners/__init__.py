"""Learners: Keras models whose input is a task."""

from kerasmeta.learners.abml import ABML
from kerasmeta.learners.alfa import ALFA
from kerasmeta.learners.anil import ANIL
from kerasmeta.learners.baseline import Baseline
from kerasmeta.learners.baseline_plus_plus import BaselinePlusPlus
from kerasmeta.learners.boil import BOIL
from kerasmeta.learners.cavia import CAVIA
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.fitted_head_learner import FittedHeadLearner
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.imaml import IMAML
from kerasmeta.learners.leo import LEO
from kerasmeta.learners.lstm_meta_learner import LSTMMetaLearner
from kerasmeta.learners.maml import MAML
from kerasmeta.learners.maml_plus_plus import MAMLPlusPlus
from kerasmeta.learners.meta_curvature import MetaCurvature
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.learners.meta_sgd import MetaSGD
from kerasmeta.learners.nearest_neighbour import NearestNeighbour
from kerasmeta.learners.proto_maml import ProtoMAML
from kerasmeta.learners.proto_net import ProtoNet
from kerasmeta.learners.reptile import Reptile
from kerasmeta.learners.simple_shot import SimpleShot
