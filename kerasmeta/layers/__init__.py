"""Layers that networks of several learners and kinds of data share."""

from kerasmeta.layers.drop_block import DropBlock
from kerasmeta.layers.film import FiLM
from kerasmeta.layers.impute import Impute
from kerasmeta.layers.log_mel import LogMel
from kerasmeta.layers.masked_mean import MaskedMean
from kerasmeta.layers.one_hot_strings import OneHotStrings
