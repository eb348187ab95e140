"""The notebooks run, from the first cell to the last."""

import pathlib

import nbclient
import nbformat
import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "notebooks"


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem
)
def test_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        # The same cells on fewer steps; `fit` is not what is tested here.
        cell.source = cell.source.replace(
            "steps_per_epoch=150, epochs=4", "steps_per_epoch=5, epochs=1"
        )
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    text = str(notebook.cells)
    assert "after:" in text and "image/png" in text
