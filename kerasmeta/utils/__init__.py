"""Checks of plain arguments, shared by all of the package."""

from kerasmeta.utils.checks import check_can_be_normalized
from kerasmeta.utils.checks import check_choice
from kerasmeta.utils.checks import check_dataset
from kerasmeta.utils.checks import check_fraction
from kerasmeta.utils.checks import check_positive_int
from kerasmeta.utils.checks import check_positive_number
from kerasmeta.utils.checks import check_seed
from kerasmeta.utils.checks import check_share
from kerasmeta.utils.checks import check_widths
from kerasmeta.utils.graph_memory import peak_bytes
