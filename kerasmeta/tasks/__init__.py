"""Tasks that need no download: endless, made on the fly, the same each run."""

from kerasmeta.tasks.gaussian_process_curves import GaussianProcessCurves
from kerasmeta.tasks.glyphs import Glyphs
from kerasmeta.tasks.sinusoid import Sinusoid
