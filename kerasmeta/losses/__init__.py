"""Losses of the outer loop that Keras does not have."""

from kerasmeta.losses.gaussian_negative_log_likelihood import (
    GaussianNegativeLogLikelihood,
)
from kerasmeta.losses.relation_binary_crossentropy import (
    RelationBinaryCrossentropy,
)
from kerasmeta.losses.relation_mean_squared_error import (
    RelationMeanSquaredError,
)
