"""The code of the README and of the docs runs."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import kerasmeta as km

ROOT = pathlib.Path(__file__).parents[1]

# Only sizes are smaller here; a replacement that no longer fits fails.
SMALLER = {
    "README.md": {
        "num_classes=5)": "num_classes=5, filters=4)",
        "inner_steps=5": "inner_steps=2",
        "steps_per_epoch=200, epochs=5": "steps_per_epoch=2, epochs=1",
        "num_episodes=600": "num_episodes=4",
        "steps_per_epoch=500, epochs=4": "steps_per_epoch=2, epochs=1",
        "num_episodes=640": "num_episodes=32",
    },
    "docs/adding_a_learner.md": {},
    "docs/three_ideas.md": {},
    "docs/episodes.md": {},
    "docs/embedding_learners.md": {
        "filters=8": "filters=4",
        "test_inner_steps=100": "test_inner_steps=3",
    },
    "docs/gradient_learners.md": {"filters=8": "filters=4"},
    "docs/reinforcement_learning.md": {
        "batch_size=256": "batch_size=16",
        "trial_length=10": "trial_length=3",
        "units=(64, 64)": "units=(8,)",
        "horizon=50": "horizon=3",
        "trial_length=50, units=32": "trial_length=3, units=4",
        "batch_size=64": "batch_size=4",
        "steps_per_epoch=100": "steps_per_epoch=1",
        "batch_size=100, seed=1, num_trials=100": (
            "batch_size=4, seed=1, num_trials=4"
        ),
        "steps_per_epoch=300": "steps_per_epoch=2",
        "steps_per_epoch=200": "steps_per_epoch=1",
        "num_trials=1000": "num_trials=8",
        "batch_size=1000": "batch_size=4",
        "horizon=100": "horizon=4",
        "test_inner_steps=3": "test_inner_steps=1",
    },
    "docs/distribution.md": {},
    "docs/serving.md": {
        # Four convolutions take LiteRT's converter a while.
        "km.backbones.conv4((28, 28, 1), filters=8)": "keras.Sequential("
        "[keras.Input((28, 28, 1)), keras.layers.Flatten(),"
        " keras.layers.Dense(4)])"
    },
    "docs/memory_learners.md": {"filters=8": "filters=4"},
    "docs/long_runs.md": {
        "save_freq=200": "save_freq=2",
        "steps_per_epoch=1000": "steps_per_epoch=3",
        "epochs=20": "epochs=1",
    },
    "docs/neural_processes.md": {
        "steps_per_epoch=500, epochs=10": "steps_per_epoch=2, epochs=1",
        "num_episodes=160": "num_episodes=16",
    },
    "docs/keras_features.md": {
        "batch_size=4, seed=1, num_episodes=40": (
            "batch_size=2, seed=1, num_episodes=4"
        ),
        "inner_steps=3": "inner_steps=1",
        "steps_per_epoch=100,\n    epochs=5": (
            "steps_per_epoch=2,\n    epochs=2"
        ),
        'choices.Int("steps", 1, 5)': 'choices.Int("steps", 1, 2)',
        "max_trials=20": "max_trials=1",
        "search(train, steps_per_epoch=100": "search(train, steps_per_epoch=2",
    },
    **{
        str(page.relative_to(ROOT)): {}
        for page in sorted(ROOT.glob("docs/data/*.md"))
    },
}


def data():
    """Small arrays under the names that the texts use."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(6), 17)
    x = generator.integers(0, 256, (len(y), 28, 28, 1), dtype="uint8")
    support_x = x[:5].astype("float32")
    return {
        "x_train": x,
        "y_train": y,
        "x_test": x,
        "y_test": y,
        "support_x": support_x,
        "support_y": np.arange(5, dtype="int32"),
        "query_x": support_x,
    }


def exported(folder):
    """Write a SavedModel for the page that loads one."""
    learner = km.learners.ProtoNet(km.backbones.conv4((28, 28, 1), filters=4))
    spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=1)
    learner.export(folder, km.tasks.Glyphs("test").episodes(spec))
    return str(folder)


@pytest.mark.parametrize("page", SMALLER)
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert code
    for old, new in SMALLER[page].items():
        assert old in code, f"{old} is no longer in {page}"
        code = code.replace(old, new)
    if page == "docs/distribution.md":
        # A strategy wants a process that has made nothing yet.
        subprocess.run([sys.executable, "-c", code], check=True)
        return
    for extra in ("gymnasium", "keras_tuner"):
        if f"import {extra}" in code:
            pytest.importorskip(extra)
    names = data()
    if page == "docs/three_ideas.md":
        names["folder"] = exported(tmp_path / "model")
    # No real file name: AutoGraph would read its source from the page.
    exec(compile(code, f"<{page}>", "exec"), names)


def test_links_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
