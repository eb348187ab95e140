"""Functions that return built functional Keras models."""

from kerasmeta.backbones.conv4 import conv4
from kerasmeta.backbones.mlp import mlp
