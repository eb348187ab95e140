"""Learners: Keras models whose input is a task."""

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.maml import MAML
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.learners.proto_net import ProtoNet
