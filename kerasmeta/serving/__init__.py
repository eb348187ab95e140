"""An HTTP server of an exported learner, for many users at once.

    python -m kerasmeta.serving FOLDER

These files import nothing of kerasmeta, so that the folder can be copied to a
machine that has TensorFlow and FastAPI alone.
"""

from .app import make_app
from .limits import Limits
