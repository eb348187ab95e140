"""Learners: Keras models whose input is a task."""

from kerasmeta.learners.abml import ABML
from kerasmeta.learners.alfa import ALFA
from kerasmeta.learners.anil import ANIL
from kerasmeta.learners.attentive_neural_process import AttentiveNeuralProcess
from kerasmeta.learners.baseline import Baseline
from kerasmeta.learners.baseline_plus_plus import BaselinePlusPlus
from kerasmeta.learners.bd_cspn import BDCSPN
from kerasmeta.learners.boil import BOIL
from kerasmeta.learners.cavia import CAVIA
from kerasmeta.learners.cnaps import CNAPS
from kerasmeta.learners.conditional_neural_process import (
    ConditionalNeuralProcess,
)
from kerasmeta.learners.convolutional_neural_process import (
    ConvolutionalNeuralProcess,
)
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.feat import FEAT
from kerasmeta.learners.fitted_head_learner import FittedHeadLearner
from kerasmeta.learners.gaussian_prototypes import GaussianPrototypes
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.imaml import IMAML
from kerasmeta.learners.in_context_transformer import InContextTransformer
from kerasmeta.learners.laplacian_shot import LaplacianShot
from kerasmeta.learners.latent_process_learner import LatentProcessLearner
from kerasmeta.learners.leo import LEO
from kerasmeta.learners.lrd2 import LRD2
from kerasmeta.learners.lstm_meta_learner import LSTMMetaLearner
from kerasmeta.learners.mahalanobis_net import MahalanobisNet
from kerasmeta.learners.maml import MAML
from kerasmeta.learners.maml_plus_plus import MAMLPlusPlus
from kerasmeta.learners.mann import MANN
from kerasmeta.learners.matching_networks import MatchingNetworks
from kerasmeta.learners.meta_curvature import MetaCurvature
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.learners.meta_networks import MetaNetworks
from kerasmeta.learners.meta_opt_net import MetaOptNet
from kerasmeta.learners.meta_sgd import MetaSGD
from kerasmeta.learners.nearest_neighbour import NearestNeighbour
from kerasmeta.learners.neural_process import NeuralProcess
from kerasmeta.learners.neural_process_learner import NeuralProcessLearner
from kerasmeta.learners.proto_maml import ProtoMAML
from kerasmeta.learners.proto_net import ProtoNet
from kerasmeta.learners.prototype_head_learner import PrototypeHeadLearner
from kerasmeta.learners.pt_map import PTMAP
from kerasmeta.learners.r2d2 import R2D2
from kerasmeta.learners.recurrent_network import RecurrentNetwork
from kerasmeta.learners.relation_network import RelationNetwork
from kerasmeta.learners.reptile import Reptile
from kerasmeta.learners.sequence_learner import SequenceLearner
from kerasmeta.learners.siamese_network import SiameseNetwork
from kerasmeta.learners.simple_shot import SimpleShot
from kerasmeta.learners.snail import SNAIL
from kerasmeta.learners.soft_k_means import SoftKMeans
from kerasmeta.learners.tim import TIM
from kerasmeta.learners.transductive_fine_tuning import TransductiveFineTuning
from kerasmeta.learners.transductive_learner import TransductiveLearner
from kerasmeta.learners.transformer_neural_process import (
    TransformerNeuralProcess,
)
