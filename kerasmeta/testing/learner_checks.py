"""The checks of `check_learner`, one function each."""

import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.ops import task_at


def check_fit_lowers_the_loss(learner, data):
    """A few steps on the same episodes lower their loss."""
    losses = learner.fit(
        data.take(1).repeat(), steps_per_epoch=1, epochs=20, verbose=0
    ).history["loss"]
    _require(
        losses[-1] < losses[0],
        f"the loss went from {losses[0]} to {losses[-1]} in 20 steps",
    )


def check_shapes(learner, data):
    """There is one prediction for each query."""
    episodes, query_y = _first(data)
    predictions = learner.predict(data.take(1), verbose=0)
    shape = tuple(query_y.shape[:2])
    _require(
        predictions.shape[:2] == shape,
        f"predictions have shape {predictions.shape}, queries {shape}",
    )
    task = _task(episodes)
    state = learner.adapt(task["support_x"], task["support_y"])
    _require_close(
        learner.predict_query(state, task["query_x"]),
        _of_first_task(predictions, episodes),
        "`adapt` and `predict_query` differ from `predict`",
    )


def check_metrics_and_intervals(learner, data):
    """`evaluate` is the mean over tasks, and the same twice."""
    first = learner.evaluate(data, return_dict=True, verbose=0)
    again = learner.evaluate(data, return_dict=True, verbose=0)
    for name, value in first.items():
        _require_close(value, again[name], f"{name} differs when repeated")
        _require(np.isfinite(value), f"{name} is {value}")


def check_keras_file(learner, data):
    """A `.keras` file brings back predictions, loss and optimizer."""
    learner.fit(data.take(1), verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "learner.keras"
        learner.save(path)
        loaded = keras.models.load_model(path)
    _require_close(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        "predictions change in a .keras file",
    )
    steps = int(loaded.optimizer.iterations)
    _require(
        steps == int(learner.optimizer.iterations),
        f"the optimizer came back with {steps} steps",
    )
    _require(
        loaded.get_compile_config() == learner.get_compile_config(),
        "the compiled loss, metrics or optimizer change in a .keras file",
    )


def check_config(learner, data):
    """A learner made from its configuration is the same learner."""
    copy = type(learner).from_config(learner.get_config())
    _require(
        copy.get_config() == learner.get_config(),
        "the configuration changes when it is used",
    )
    copy.compile(loss=learner.loss)
    copy.set_weights(learner.get_weights())
    task = _task(_first(data)[0])
    _require_close(
        _solve(copy, task),
        _solve(learner, task),
        "predictions differ after from_config",
    )


def check_saved_model(learner, data):
    """The SavedModel gives the same, for other numbers of queries too."""
    episodes, _ = _first(data)
    task = _task(episodes)
    predictions = learner.predict(data.take(1), verbose=0)
    predictions = _of_first_task(predictions, episodes)
    support = task["support_x"], task["support_y"]
    with tempfile.TemporaryDirectory() as folder:
        learner.export(folder)
        model = tf.saved_model.load(folder)
        names = set(model.signatures)
        state = model.adapt(*support)
        served = model.serve(*support, task["query_x"])
        queried = model.predict_query(state, task["query_x"])
        fewer = tf.nest.map_structure(lambda t: t[:2], task["query_x"])
        _require(
            len(tf.nest.flatten(model.predict_query(state, fewer))[0]) == 2,
            "the SavedModel has a fixed number of queries",
        )
    _require_close(served, predictions, "`serve` differs from the learner")
    _require_close(queried, predictions, "`predict_query` differs")
    _require(
        names == {"adapt", "predict_query", "serve", "serving_default"},
        f"the SavedModel has the signatures {names}",
    )


def check_adapt_leaves_the_weights(learner, data):
    """`adapt` returns what it learned and stores nothing."""
    task = _task(_first(data)[0])
    before = learner.get_weights()
    learner.adapt(task["support_x"], task["support_y"])
    for old, new in zip(before, learner.get_weights()):
        _require(np.array_equal(old, new), "`adapt` changed a weight")


def check_adapted_model(learner, data):
    """`adapted_model` is a Keras model of its own that can be saved."""
    task = _task(_first(data)[0])
    model = learner.adapted_model(task["support_x"], task["support_y"])
    predictions = model.predict(task["query_x"], verbose=0)
    learner.fit(data.take(1), verbose=0)
    _require_close(
        model.predict(task["query_x"], verbose=0),
        predictions,
        "training the learner changed an adapted model",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "adapted.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
    _require_close(
        loaded.predict(task["query_x"], verbose=0),
        predictions,
        "an adapted model changes when it is saved",
    )


def check_class_permutation(learner, data):
    """Numbering the classes differently permutes the outputs."""
    task = _task(_first(data)[0])
    before = _solve(learner, task)
    ways = before.shape[-1]
    order = np.random.default_rng(0).permutation(ways)
    renamed = tf.gather(tf.constant(order, "int32"), task["support_y"])
    after = _solve(learner, {**task, "support_y": renamed})
    _require_close(
        after[:, order], before, "renaming classes changes the predictions"
    )


def check_support_permutation(learner, data):
    """The order of the support examples does not matter."""
    task = _task(_first(data)[0])
    before = _solve(learner, task)
    size = len(tf.nest.flatten(task["support_y"])[0])
    order = np.random.default_rng(0).permutation(size)
    for name in ("support_x", "support_y"):
        task[name] = tf.nest.map_structure(
            lambda t: tf.gather(t, order), task[name]
        )
    _require_close(
        _solve(learner, task), before, "the order of support examples matters"
    )


def check_padding(learner, data):
    """Padding changes no prediction, whatever it holds."""
    task = _task(_first(data)[0])
    one = tf.nest.map_structure(lambda t: t[None], task)
    padded = {name: _pad(value) for name, value in task.items()}
    for part in ("support", "query"):
        size = len(tf.nest.flatten(task[f"{part}_x"])[0])
        padded[f"{part}_mask"] = tf.range(size + 1)[None] < size
    _require_close(
        _of_first_task(learner(padded), padded),
        learner(one)[0],
        "padding changes the predictions",
    )


def check_no_retracing(learner, data):
    """The second step uses the graph of the first."""
    traces = []
    train_step = learner.train_step

    def counted(batch):
        traces.append(1)
        return train_step(batch)

    learner.train_step = counted
    learner.fit(data.take(1).repeat(3), verbose=0)
    first = len(traces)
    learner.fit(data.take(1).repeat(3), verbose=0)
    _require(
        first <= 2 and len(traces) == first,
        f"3 steps traced {first} times, 3 more {len(traces) - first} times",
    )


def check_eager_equals_graph(learner, data):
    """Running eagerly gives the same loss and meta-gradients."""
    gradients = learner.meta_gradients
    _require_same_gradients(learner, data, gradients, tf.function(gradients))


def check_xla_equals_graph(learner, data):
    """`jit_compile=True` gives the same, unless `supports_jit` is false."""
    graph = tf.function(learner.meta_gradients)
    if learner.supports_jit:
        # `compile` sets it too; here the optimizer is kept.
        learner.jit_compile = True
        compiled = tf.function(learner.meta_gradients, jit_compile=True)
        _require_same_gradients(learner, data, compiled, graph)


def check_transductive(learner, data):
    """`transductive` says whether queries are predicted together."""
    task = _task(_first(data)[0])
    state = learner.adapt(task["support_x"], task["support_y"])
    first = tf.nest.map_structure(lambda t: t[:1], task["query_x"])
    together = learner.predict_query(state, task["query_x"])[0].numpy()
    alone = learner.predict_query(state, first)[0].numpy()
    if not learner.transductive:
        _require_close(alone, together, "a query is predicted from others")
        return
    _require(
        np.abs(together - alone).max() > 1e-6,
        "a query is predicted alone, but `transductive` is true",
    )


def check_every_weight_learns(learner, data):
    """Every trainable weight receives a meta-gradient."""
    episodes, query_y = _first(data)
    gradients = tf.function(learner.meta_gradients)(episodes, query_y)[2]
    silent = [
        variable.path
        for variable, gradient in zip(learner.trainable_variables, gradients)
        if gradient is None
    ]
    _require(not silent, f"weights without a gradient: {silent}")


def check_bad_input(learner, data):
    """Wrong datasets and support sets raise a `ValueError`."""
    task = _task(_first(data)[0])
    empty = tf.nest.map_structure(lambda t: t[:0], task)
    _require_error(
        lambda: learner.adapted_model(empty["support_x"], empty["support_y"]),
        "an empty support set",
    )
    spoiled = tf.nest.map_structure(
        lambda t: t * np.nan if t.dtype.is_floating else t, task["support_x"]
    )
    _require_error(
        lambda: learner.adapted_model(spoiled, task["support_y"]),
        "NaN in the support set",
    )
    _require_error(
        lambda: learner.fit(data.map(lambda x, y: (x["query_x"], y))),
        "a dataset that does not yield episodes",
    )
    _require_error(
        lambda: learner.fit(data.unbatch()), "a dataset without a task axis"
    )


def _pad(nest):
    """Return a meta-batch of one task with one example too many."""

    def pad(tensor):
        rubbish = np.nan if tensor.dtype.is_floating else 99
        if tensor.dtype == "string":
            rubbish = "rubbish"
        rubbish = tf.cast(rubbish, tensor.dtype)
        more = tf.fill(tensor[:1].shape, rubbish)
        return tf.concat([tensor, more], axis=0)[None]

    return tf.nest.map_structure(pad, nest)


def _solve(learner, task):
    state = learner.adapt(task["support_x"], task["support_y"])
    return learner.predict_query(state, task["query_x"]).numpy()


def _first(data):
    return next(iter(data))[:2]


def _task(episodes):
    """Return the first task, without padding."""
    task = task_at(dict(episodes), 0)
    for name in ("support", "query"):
        mask = task.pop(f"{name}_mask", None)
        for key in (f"{name}_x", f"{name}_y"):
            if mask is not None and key in task:
                task[key] = _without_padding(task[key], mask)
    return task


def _of_first_task(predictions, episodes):
    mask = episodes.get("query_mask")
    first = predictions[0]
    return first if mask is None else _without_padding(first, mask[0])


def _without_padding(nest, mask):
    return tf.nest.map_structure(lambda t: tf.boolean_mask(t, mask), nest)


def _require_same_gradients(learner, data, one, other):
    """Require the same of two functions like `meta_gradients`."""
    episodes, query_y = _first(data)
    state = [tf.identity(v) for v in learner.non_trainable_variables]
    loss, _, gradients = one(episodes, query_y)
    for variable, value in zip(learner.non_trainable_variables, state):
        variable.assign(value)
    other_loss, _, other_gradients = other(episodes, query_y)
    _require_close(loss, other_loss, "the loss differs")
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in other_gradients))
    for gradient, other_gradient in zip(gradients, other_gradients):
        difference = np.sqrt(np.sum(np.square(gradient - other_gradient)))
        _require(
            difference <= 1e-3 * norm,
            f"a meta-gradient differs by {difference / norm:.1e} of the norm",
        )


def _require(condition, message):
    if not condition:
        raise AssertionError(message)


def _require_close(received, expected, message):
    np.testing.assert_allclose(
        received, expected, rtol=1e-4, atol=1e-5, err_msg=message
    )


def _require_error(call, what):
    try:
        call()
    except ValueError:
        return
    raise AssertionError(f"{what} raises no ValueError")
