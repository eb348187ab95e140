"""Functions that return built functional Keras models."""

from kerasmeta.backbones.audio_encoder import audio_encoder
from kerasmeta.backbones.conv4 import conv4
from kerasmeta.backbones.mlp import mlp
from kerasmeta.backbones.resnet12 import resnet12
from kerasmeta.backbones.text_encoder import text_encoder
from kerasmeta.backbones.unet_1d import unet_1d
from kerasmeta.backbones.wrn28_10 import wrn28_10
