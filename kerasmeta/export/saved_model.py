"""Writing a learner as a SavedModel that needs only TensorFlow."""

import tensorflow as tf


def export_learner(learner, filepath, episodes=None):
    """Write the SavedModel of `MetaLearner.export`.

    Args:
        learner: The `MetaLearner`.
        filepath: Folder to write.
        episodes: Dictionary of a meta-batch, or a dataset, that shows shapes
            and dtypes; by default what the learner was called with.
    """
    if not hasattr(learner, "episode_signature"):
        raise ValueError(
            "`learner` must be a `MetaLearner`. Other models have an `export` "
            f"of their own. Received: learner={learner!r}"
        )
    if episodes is not None:
        learner.remember_signature(episodes)
    signature = learner.episode_signature
    if signature is None:
        raise ValueError(
            "The shapes and dtypes of the episodes are not known yet. Call "
            "`fit` or `evaluate` first, or pass `episodes=`, a dataset or a "
            "meta-batch."
        )
    specs = _parse(signature)
    module = _make_module(learner, specs)
    tf.saved_model.save(
        module, str(filepath), signatures=_make_signatures(module, specs)
    )


def _make_module(learner, specs):
    """Return a module with the functions, and all that they need."""
    module = tf.Module()
    # Keras' variables hide the ones that TensorFlow has to save.
    module.learner_variables = [v.value for v in learner.variables]
    # Nor does it find the tables of lookup layers, such as of words.
    resource = tf.saved_model.experimental.TrackableResource
    parts = tf.train.TrackableView(learner).descendants()
    module.tables = [part for part in parts if isinstance(part, resource)]

    support = [specs["support_x"], specs["support_y"]]
    adapt = tf.function(learner.adapt).get_concrete_function(*support)
    structure = adapt.structured_outputs  # The nest of the state.
    names = list(flatten_names(structure))

    def adapt_flat(support_x, support_y):
        return flatten_names(learner.adapt(support_x, support_y))

    def predict_query(state, query_x):
        leaves = [state[name] for name in names]
        state = tf.nest.pack_sequence_as(structure, leaves)
        return learner.predict_query(state, query_x)

    def serve(support_x, support_y, query_x):
        return learner.predict_query(
            learner.adapt(support_x, support_y), query_x
        )

    state_specs = {
        name: tf.TensorSpec(leaf.shape, leaf.dtype, name)
        for name, leaf in flatten_names(structure).items()
    }
    query = [specs["query_x"]]
    module.adapt = tf.function(adapt_flat, input_signature=support)
    module.predict_query = tf.function(
        predict_query, input_signature=[state_specs, *query]
    )
    module.serve = tf.function(serve, input_signature=[*support, *query])
    return module


def _make_signatures(module, specs):
    """Return the functions of the module with flat, named tensors."""
    support = {name: specs[name] for name in ("support_x", "support_y")}
    query = {"query_x": specs["query_x"]}
    state_specs, _ = module.predict_query.input_signature
    serving = _signature(module.serve, {**support, **query})
    return {
        "adapt": _signature(module.adapt, support),
        "predict_query": _signature(
            module.predict_query, {"state": state_specs, **query}
        ),
        "serve": serving,
        "serving_default": serving,
    }


def flatten_names(nest, name=""):
    """Return a nest as a flat dictionary `name_of_path -> leaf`."""
    if isinstance(nest, dict):
        items = [(key, nest[key]) for key in sorted(nest)]
    elif isinstance(nest, (list, tuple)):
        items = list(enumerate(nest))
    else:
        return {name: nest}
    flat = {}
    for key, value in items:
        flat.update(flatten_names(value, f"{name}_{key}" if name else str(key)))
    return flat


def _signature(function, specs):
    """Return `function` with flat named tensors, as signatures must be."""
    flat = flatten_names({k: v for k, v in specs.items() if k != "state"})
    named = {**specs.get("state", {}), **flat}

    def call(**tensors):
        arguments = dict(specs)
        if "state" in specs:
            arguments["state"] = {n: tensors[n] for n in specs["state"]}
        for key in arguments.keys() - {"state"}:
            names = flatten_names({key: specs[key]})
            arguments[key] = tf.nest.pack_sequence_as(
                specs[key], [tensors[n] for n in names]
            )
        outputs = function(*arguments.values())
        is_flat = isinstance(outputs, dict)
        return outputs if is_flat else flatten_names({"predictions": outputs})

    return tf.function(call).get_concrete_function(
        **{n: tf.TensorSpec(s.shape, s.dtype, n) for n, s in named.items()}
    )


def _parse(description):
    # Keras tracks the dictionaries of an attribute, and networks that take
    # one would warn that theirs is another.
    if isinstance(description, dict):
        return {name: _parse(part) for name, part in description.items()}
    if isinstance(description, (list, tuple)):
        return tuple(map(_parse, description))
    dtype, *shape = description.split(":")
    sizes = [None if size == "None" else int(size) for size in shape]
    return tf.TensorSpec([None, *sizes], dtype)
