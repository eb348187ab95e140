"""What is loaded from files runs no code of theirs."""

import ast
import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest

import kerasmeta as km
from kerasmeta.export import export_learner

PACKAGE = pathlib.Path(km.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
# Modules and calls that run what they read, or could.
MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "read_pickle", "system"),
    *("extractall", "unpack_archive"),
}


def test_a_learner_with_a_lambda_is_refused(tmp_path):
    path = tmp_path / "learner.keras"
    backbone = keras.Sequential(
        [keras.Input((1,)), keras.layers.Lambda(lambda x: 2 * x)]
    )
    km.learners.ProtoNet(backbone).save(path)
    message = "Lambda.*disallowed by default.*trust.*`safe_mode=False`"
    with pytest.raises(ValueError, match=message):
        keras.models.load_model(path)
    loaded = keras.models.load_model(path, safe_mode=False)
    np.testing.assert_array_equal(loaded.backbone(np.ones([2, 1])), 2)


def function(module, name):
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def instance(module, name, **config):
    return {
        "module": module,
        "class_name": name,
        "config": config,
        "registered_name": name,
    }


@pytest.mark.parametrize(
    "forged",
    [
        function("os", "system"),
        function(export_learner.__module__, export_learner.__name__),
        instance("subprocess", "Popen", args=["true"]),
        instance("keras.utils", "get_file", origin="file:///etc/hostname"),
    ],
    ids=["function", "function of ours", "class", "download"],
)
@pytest.mark.parametrize("place", ["backbone", "activation"])
def test_a_forged_configuration_calls_nothing_else(place, forged, tmp_path):
    path = tmp_path / "learner.keras"
    km.learners.ProtoNet(km.backbones.mlp((1,), 2)).save(path)
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    if place == "backbone":
        config["config"]["backbone"] = forged
    else:
        layer = config["config"]["backbone"]["config"]["layers"][-1]
        layer["config"]["activation"] = forged
    parts["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data)
    with pytest.raises((TypeError, ValueError), match="deserializ|locate"):
        keras.models.load_model(path)


def test_no_source_can_run_what_it_reads():
    assert len(SOURCES) > 100
    for path in SOURCES:
        assert not search(path.read_text(encoding="utf-8")), path


def search(source):
    nodes = ast.walk(ast.parse(source))
    return [found for node in nodes for found in suspicious(node)]


def suspicious(node):
    """Yield what is wrong with a part of a source."""
    if isinstance(node, ast.Import):
        yield from MODULES & {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        yield from MODULES & {(node.module or "").split(".")[0]}
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "attr", getattr(node.func, "id", None))
    options = {o.arg: getattr(o.value, "value", None) for o in node.keywords}
    if name in CALLS and not is_compile_of_keras(node):
        yield name
    if ast.unparse(node.func) == "np.load":
        if options.get("allow_pickle") is not False:
            yield "np.load without allow_pickle=False"
    if options.get("safe_mode", True) is not True or options.get("shell"):
        yield ast.unparse(node)
    if name == "enable_unsafe_deserialization":
        yield name


def is_compile_of_keras(node):
    return isinstance(node.func, ast.Attribute) and node.func.attr == "compile"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "keras.models.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "subprocess.run(command, shell=True)",
        "os.system(command)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert search(source)
