"""A graph again, with operations that LiteRT lacks put in other terms."""

import tensorflow as tf

from kerasmeta.export.builtin_ops import REPLACEMENTS


def with_builtin_ops(concrete):
    """Return a concrete function that computes the same.

    Operations of `REPLACEMENTS` become calls of functions of their own, which
    the converter inlines. Those within loops, or of unknown shape, stay.

    Args:
        concrete: Concrete function of named tensors, all shapes static, that
            returns a flat dictionary.
    """
    graph = concrete.graph
    graph_def = graph.as_graph_def(add_shapes=True)
    _remove(graph_def, graph.inputs)
    functions = []
    for node in graph_def.node:
        op = graph.get_operation_by_name(node.name)
        if _is_replaced(op):
            functions.append(_trace(op))
            _call(node, functions[-1])
    names = [tensor.name for tensor in concrete.outputs]
    # The inputs that are named come first, what is captured last.
    captured = concrete.captured_inputs
    inputs = graph.inputs[: len(graph.inputs) - len(captured)]
    internal = graph.inputs[len(inputs) :]

    def call(**tensors):
        capture = tf.compat.v1.get_default_graph().capture
        for function in functions:
            function.add_to_graph()
        known = [(t, tensors[_name(t)]) for t in inputs]
        known += [(t, capture(value)) for t, value in zip(internal, captured)]
        # An input that nothing uses cannot be replaced.
        used = {t.name: value for t, value in known if t.consumers()}
        outputs = tf.graph_util.import_graph_def(
            graph_def, input_map=used, return_elements=names
        )
        return tf.nest.pack_sequence_as(concrete.structured_outputs, outputs)

    # Signatures are of tensors by their names.
    _, specs = concrete.structured_input_signature
    return tf.function(call, autograph=False).get_concrete_function(**specs)


def _remove(graph_def, tensors):
    """Remove the nodes of tensors."""
    names = {tensor.op.name for tensor in tensors}
    nodes = [node for node in graph_def.node if node.name not in names]
    del graph_def.node[:]
    graph_def.node.extend(nodes)


def _name(tensor):
    return tensor.op.get_attr("_user_specified_name").decode()


def _is_replaced(op):
    if op.type not in REPLACEMENTS:
        return False
    attributes = op.node_def.attr
    is_last = (
        "data_format" not in attributes
        or attributes["data_format"].s == b"NHWC"
    )
    return is_last and op.outputs[0].shape.is_fully_defined()


def _trace(op):
    """Return a concrete function that computes what an operation does."""
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in op.inputs]

    def call(*inputs):
        return REPLACEMENTS[op.type](op, *inputs)

    return tf.function(call, autograph=False).get_concrete_function(*specs)


def _call(node, function):
    """Make a node a call of a function with the same inputs and outputs."""
    node.op = "PartitionedCall"
    for name in set(node.attr) - {"_output_shapes"}:
        del node.attr[name]
    for name, tensors in (("Tin", function.inputs), ("Tout", function.outputs)):
        types = [tensor.dtype.as_datatype_enum for tensor in tensors]
        node.attr[name].list.type.extend(types)
    node.attr["f"].func.name = function.function_def.signature.name
