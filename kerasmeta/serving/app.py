"""The endpoints of the server."""

import asyncio
import dataclasses

import fastapi
from fastapi.concurrency import run_in_threadpool

from .body import parse
from .body import read_body
from .errors import BadRequest
from .limits import Limits
from .model import ServedModel
from .tensors import num_bytes
from .users import Users


def make_app(folder, limits=None):
    """Return a FastAPI application that serves an exported learner.

    `POST /adapt` learns from a support set and answers with the id of a user,
    `POST /predict_query` predicts with that id as often as asked,
    `POST /forget` forgets it, and `GET /model` tells what the model takes. Ids
    are in bodies, not in addresses, which end up in logs.

    All states are in the memory of one process: run it with one worker.

    Args:
        folder: What `learner.export(folder)` wrote.
        limits: `Limits`, those of the class by default.

    Raises:
        ValueError: If the SavedModel is not one of a learner, or `limits` have
            no room for the state of a user.

    Example:

    >>> import tempfile
    >>> from kerasmeta.serving import make_app
    >>> learner = km.learners.NearestNeighbour(km.backbones.mlp((1,), 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     learner.export(folder, km.tasks.Sinusoid().episodes(1))
    ...     app = make_app(folder)
    >>> [route.path for route in app.routes]
    ['/adapt', '/predict_query', '/forget', '/model']
    """
    limits = limits or Limits()
    model = ServedModel(folder, limits.max_examples)
    if (model.state_bytes or 0) > limits.max_state_bytes:
        raise ValueError(
            "`max_state_bytes` must have room for the state of one user. "
            f"Received: max_state_bytes={limits.max_state_bytes}, and a model "
            f"whose state takes {model.state_bytes} bytes"
        )
    users = Users(limits.max_users, limits.max_state_bytes)
    turns = asyncio.Semaphore(limits.max_requests)
    # Without pages of documentation, which load scripts from elsewhere.
    app = fastapi.FastAPI(openapi_url=None)

    @app.exception_handler(BadRequest)
    async def refuse(request, error):
        return fastapi.responses.JSONResponse(
            {"detail": error.reason}, error.status
        )

    def adapt(body):
        state = model.adapt(parse(body))
        size = num_bytes(state)
        if size > limits.max_state_bytes:
            raise BadRequest(
                422,
                f"The state of a user may take {limits.max_state_bytes} bytes. "
                f"Received: examples that lead to one of {size}",
            )
        return {"user": users.add(state, size)}

    def predict_query(body):
        values = parse(body)
        state = users.get(_pop_user(values))
        if state is None:
            raise _unknown_user()
        return model.predict_query(state, values)

    def forget(body):
        if not users.remove(_pop_user(parse(body))):
            raise _unknown_user()
        return {}

    def post(function):
        """Serve a function of a body; in a thread, for it may take long."""

        def answer(body):
            # Made into text here, too: a million numbers take long.
            return fastapi.responses.JSONResponse(function(body))

        @app.post(f"/{function.__name__}")
        async def endpoint(request: fastapi.Request):
            body = await read_body(request, limits.max_bytes)
            # A slow client takes no turn, for all of its body is here.
            async with turns:
                return await run_in_threadpool(answer, body)

    for function in (adapt, predict_query, forget):
        post(function)

    @app.get("/model")
    async def describe():
        return {
            **{name: _describe(specs) for name, specs in model.inputs.items()},
            "state_bytes": model.state_bytes,
            "limits": dataclasses.asdict(limits),
        }

    return app


def _pop_user(values):
    """Take the id of the user out of what came."""
    user = values.pop("user", None)
    if not isinstance(user, str):
        raise BadRequest(
            422, "The request must have a field `user`, what /adapt gave."
        )
    return user


def _unknown_user():
    return BadRequest(
        404, "This user is not known, or was forgotten: adapt again."
    )


def _describe(specs):
    return {
        name: {"shape": spec.shape.as_list(), "dtype": spec.dtype.name}
        for name, spec in specs.items()
    }
