"""Layers that networks of several learners and kinds of data share."""

from kerasmeta.layers.attention_lstm import AttentionLSTM
from kerasmeta.layers.attention_pooling import AttentionPooling
from kerasmeta.layers.causal_attention import CausalAttention
from kerasmeta.layers.cosine_dense import CosineDense
from kerasmeta.layers.cross_attention import CrossAttention
from kerasmeta.layers.drop_block import DropBlock
from kerasmeta.layers.film import FiLM
from kerasmeta.layers.hashed_n_grams import HashedNGrams
from kerasmeta.layers.impute import Impute
from kerasmeta.layers.in_context_block import InContextBlock
from kerasmeta.layers.labelled_examples import LabelledExamples
from kerasmeta.layers.log_mel import LogMel
from kerasmeta.layers.masked_mean import MaskedMean
from kerasmeta.layers.memory_cell import MemoryCell
from kerasmeta.layers.one_hot_strings import OneHotStrings
from kerasmeta.layers.relation_module import RelationModule
from kerasmeta.layers.set_attention import SetAttention
from kerasmeta.layers.temperature import Temperature
from kerasmeta.layers.temporal_convolution import TemporalConvolution
