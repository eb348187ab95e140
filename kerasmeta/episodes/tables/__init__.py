"""Episodes from tables and ratings."""

from kerasmeta.episodes.tables.many_tables import episodes_from_tables
from kerasmeta.episodes.tables.ratings import episodes_from_ratings
from kerasmeta.episodes.tables.table import episodes_from_table
from kerasmeta.episodes.tables.table_encoder import table_encoder
