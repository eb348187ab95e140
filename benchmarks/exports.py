"""Which learners LiteRT runs, and how exactly.

Exports each learner of the contract table (`tests/learners/contract_test.py`)
as a LiteRT file with fixed sizes, adapts it to a task and predicts its queries
with the interpreter of LiteRT, and compares with Keras. Prints a row of a
Markdown table for each: the size of the file; the operations that are
TensorFlow's because LiteRT has none ("select ops", which its interpreter from
PyPI does not run); and the largest difference, as a share of the largest
prediction or, if that is smaller, of one.

    python benchmarks/exports.py
    python benchmarks/exports.py --only MAML-inductive ProtoNet
"""

import argparse
import pathlib
import re
import runpy
import tempfile

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from kerasmeta.ops import task_at

TABLE = "tests/learners/contract_test.py"
ROWS = runpy.run_path(str(pathlib.Path(__file__).parents[1] / TABLE))["ROWS"]


def measure(row, file):
    """Export a learner, and return its select ops and its error."""
    keras.utils.set_random_seed(0)
    options = row["compile"]
    learner = row["learner"]()
    learner.compile(**(options() if callable(options) else options))
    # Padding counts as examples here: it is numbers like others.
    episodes, _ = next(iter(row["episodes"]()))[:2]
    task = task_at(dict(episodes), 0)
    support_x, support_y = task["support_x"], task["support_y"]
    query_x = task["query_x"]
    learner.export(
        file,
        episodes,
        format="litert",
        support_size=len(support_x),
        query_size=len(query_x),
    )
    select = set(re.findall(rb"Flex(\w+)", file.read_bytes()))
    if select:
        return sorted(name.decode() for name in select), None
    interpreter = Interpreter(str(file))
    state = interpreter.get_signature_runner("adapt")(
        support_x=support_x.numpy(), support_y=support_y.numpy()
    )
    received = interpreter.get_signature_runner("predict_query")(
        query_x=query_x.numpy(), **state
    )["predictions"]
    state = learner.adapt(support_x, support_y)
    expected = learner.predict_query(state, query_x).numpy()
    error = np.abs(received - expected).max() / max(1, np.abs(expected).max())
    return [], error


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    print("| learner | file | select ops | largest difference |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "learner.tflite"
        for name in parser.parse_args().only:
            try:
                select, error = measure(ROWS[name], file)
            except Exception as failure:
                reason = str(failure).strip().splitlines()[0][:100]
                print(f"| {name} | – | cannot: {reason} | – |", flush=True)
                continue
            cells = [
                name,
                f"{file.stat().st_size / 1000:.0f} kB",
                ", ".join(select) or "none",
                "not run" if select else f"{error:.0e}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
