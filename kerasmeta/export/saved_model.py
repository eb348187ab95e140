"""Tracing a learner, and writing it as a SavedModel."""

import tensorflow as tf

from kerasmeta.ops.map_tasks import map_tasks


def write_saved_model(filepath, module, specs):
    """Write what `make_module` returned as a SavedModel.

    Args:
        filepath: Folder to write.
        module: The module.
        specs: The specs of its inputs.
    """
    signatures = {
        name: make_signature(getattr(module, name), inputs)
        for name, inputs in signature_inputs(module, specs).items()
    }
    signatures["serving_default"] = signatures["serve"]
    tf.saved_model.save(module, str(filepath), signatures=signatures)


def make_module(learner, support_size, query_size, batch_size):
    """Return a module with the functions, and the specs of their inputs.

    Args:
        learner: The `MetaLearner`, which knows the signature of its episodes.
        support_size: Number of support examples, or `None` for any.
        query_size: Number of query examples, or `None` for any.
        batch_size: Number of tasks, or `None` for one without an axis.
    """
    tasks = () if batch_size is None else (batch_size,)
    signature = learner.episode_signature
    specs = {
        "support_x": _parse(signature["support_x"], [*tasks, support_size]),
        "support_y": _parse(signature["support_y"], [*tasks, support_size]),
        "query_x": _parse(signature["query_x"], [*tasks, query_size]),
    }
    return _trace(learner, specs, batch_size is not None), specs


def _trace(learner, specs, is_batched):
    """Return a module with the functions, and all that they need."""
    module = tf.Module()
    # Keras' variables hide the ones that TensorFlow has to save.
    module.learner_variables = [v.value for v in learner.variables]
    # Nor does it find the tables of lookup layers, such as of words.
    resource = tf.saved_model.experimental.TrackableResource
    parts = tf.train.TrackableView(learner).descendants()
    module.tables = [part for part in parts if isinstance(part, resource)]

    def of_tasks(function):
        def call(*tasks):
            return map_tasks(lambda task: function(*task), tasks)

        return call if is_batched else function

    learner_adapt = of_tasks(learner.adapt)
    learner_predict = of_tasks(learner.predict_query)
    support = [specs["support_x"], specs["support_y"]]
    adapt = tf.function(learner_adapt).get_concrete_function(*support)
    structure = adapt.structured_outputs  # The nest of the state.
    names = list(flatten_names(structure))

    def adapt_flat(support_x, support_y):
        return flatten_names(learner_adapt(support_x, support_y))

    def predict_query(state, query_x):
        leaves = [state[name] for name in names]
        state = tf.nest.pack_sequence_as(structure, leaves)
        return learner_predict(state, query_x)

    def serve(support_x, support_y, query_x):
        return learner_predict(learner_adapt(support_x, support_y), query_x)

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


def signature_inputs(module, specs):
    """Return the specs of the arguments of each function of a module."""
    support = {name: specs[name] for name in ("support_x", "support_y")}
    query = {"query_x": specs["query_x"]}
    state_specs, _ = module.predict_query.input_signature
    return {
        "adapt": support,
        "predict_query": {"state": state_specs, **query},
        "serve": {**support, **query},
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


def make_signature(function, specs):
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


def _parse(description, leading):
    """Return the specs of tensors, with `leading` dimensions before theirs."""
    # Keras tracks the dictionaries of an attribute, and networks that take
    # one would warn that theirs is another.
    if isinstance(description, dict):
        return {
            name: _parse(part, leading) for name, part in description.items()
        }
    if isinstance(description, (list, tuple)):
        return tuple(_parse(part, leading) for part in description)
    dtype, *shape = description.split(":")
    sizes = [None if size == "None" else int(size) for size in shape]
    return tf.TensorSpec([*leading, *sizes], dtype)
