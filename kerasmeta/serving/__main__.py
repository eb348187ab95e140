"""`python -m kerasmeta.serving FOLDER` serves what `learner.export` wrote."""

import argparse
import dataclasses

import uvicorn

from .app import make_app
from .limits import Limits


def main():
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m kerasmeta.serving",
        description="Serve an exported learner: POST /adapt once for each "
        "user, POST /predict_query many times, GET /model for what it takes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", help="what `learner.export(folder)` wrote")
    # Others reach it only if that is wanted, and then through a proxy.
    parser.add_argument("--host", default="127.0.0.1", help="address")
    parser.add_argument("--port", type=int, default=8000, help="0 for any free")
    for field in dataclasses.fields(Limits):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(
            option, type=int, default=field.default, help="limit"
        )
    options = vars(parser.parse_args())
    folder, host, port = (options.pop(n) for n in ("folder", "host", "port"))
    try:
        app = make_app(folder, Limits(**options))
    except ValueError as error:
        parser.error(str(error))
    uvicorn.run(app, host=host, port=port)


if __name__ == "__main__":
    main()
