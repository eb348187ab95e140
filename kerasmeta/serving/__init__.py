"""An HTTP server of an exported learner, for many users at once.

    python -m kerasmeta.serving FOLDER

These files import nothing of kerasmeta, so that the folder can be copied to a
machine that has TensorFlow and FastAPI alone.
"""

try:
    import fastapi
    import uvicorn
except ImportError as error:
    raise ImportError(
        "The server needs FastAPI and uvicorn: "
        "`pip install kerasmeta[serving]`."
    ) from error

from .app import make_app
from .limits import Limits
