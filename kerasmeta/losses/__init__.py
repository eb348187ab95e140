"""Losses of relations: of a query with every class, not of its class alone."""

from kerasmeta.losses.relation_binary_crossentropy import (
    RelationBinaryCrossentropy,
)
from kerasmeta.losses.relation_mean_squared_error import (
    RelationMeanSquaredError,
)
