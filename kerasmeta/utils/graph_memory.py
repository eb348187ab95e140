"""How much memory a graph needs: the most that is alive at one time."""

import math

import tensorflow as tf

# Operations whose output is their input's memory under another name.
_VIEWS = frozenset(
    [
        "Identity",
        "IdentityN",
        "Reshape",
        "ExpandDims",
        "Squeeze",
        "StopGradient",
    ]
)
_CALLS = frozenset(["PartitionedCall", "StatefulPartitionedCall"])
_LOOPS = frozenset(["While", "StatelessWhile"])
_CONDITIONS = frozenset(["If", "StatelessIf"])
_CASES = frozenset(["Case", "StatelessCase"])
# Elementwise operations write into an input that nobody needs any more.
_IN_PLACE = frozenset(
    ["Add", "AddV2", "AddN", "Mul", "Sub", "Neg", "Relu", "BiasAdd", "RealDiv"]
)


def peak_bytes(graph):
    """Estimate the memory that running a graph takes at most.

    Operations are taken in the order of TensorFlow's executor; each tensor
    lives from its operation to its last use. Functions that are called,
    branches and bodies of loops are gone through likewise. Of branches the one
    that takes most counts, and what a loop stacks up for its gradient counts
    once an iteration.

    Args:
        graph: `FuncGraph`; sizes that it does not know count as one.

    Returns:
        Number of bytes, without the inputs of the graph.
    """
    operations = _as_executed(_needed(graph))
    roots, last_use = _buffers(graph, operations)
    alive, total, peak = {}, 0, 0
    for i, operation in enumerate(operations):
        inner, kept = _inside(graph, operation)
        made = {
            t.name: _bytes(t)
            for t in operation.outputs
            if roots[t.name] == t.name and operation.type != "Placeholder"
        }
        dead = {
            roots[t.name]
            for t in operation.inputs
            if last_use.get(roots[t.name]) == i
        }
        freed = sum(alive.pop(root, 0) for root in dead)
        total += kept
        reused = freed if operation.type in _IN_PLACE else 0
        peak = max(peak, total + inner, total + sum(made.values()) - reused)
        total += sum(made.values()) - freed
        alive.update(
            {root: size for root, size in made.items() if root in last_use}
        )
        total -= sum(s for root, s in made.items() if root not in last_use)
    return peak


def _needed(graph):
    """Return the operations that outputs or side effects depend on."""
    todo = [t.op for t in graph.outputs] + list(graph.control_outputs)
    needed = set()
    while todo:
        operation = todo.pop()
        if operation not in needed:
            needed.add(operation)
            todo += [t.op for t in operation.inputs]
            todo += operation.control_inputs
    return [op for op in graph.get_operations() if op in needed]


def _as_executed(operations):
    """Return operations in the order in which the executor takes them.

    Whatever has its inputs runs, first come first served: what the backward
    pass computes from the forward pass alone runs early, and stays.
    """
    waiting = {
        op.name: len(op.inputs) + len(op.control_inputs) for op in operations
    }
    order = [op for op in operations if not waiting[op.name]]
    for operation in order:
        after = [op for t in operation.outputs for op in t.consumers()]
        for follower in [*after, *operation._control_outputs]:
            if follower.name not in waiting:
                continue
            waiting[follower.name] -= 1
            if not waiting[follower.name]:
                order.append(follower)
    return order


def _buffers(graph, operations):
    """Return the tensor whose memory each one uses, and the last uses."""
    roots, last_use = {}, {}
    for i, operation in enumerate(operations):
        for k, output in enumerate(operation.outputs):
            is_view = operation.type in _VIEWS and k < len(operation.inputs)
            source = operation.inputs[k] if is_view else None
            roots[output.name] = roots[source.name] if is_view else output.name
        for tensor in operation.inputs:
            last_use[roots[tensor.name]] = i
    for tensor in graph.outputs:
        # An output that was captured lives outside of the graph.
        last_use[roots.get(tensor.name, tensor.name)] = len(operations)
    return roots, last_use


def _inside(graph, operation):
    """Return the peak within a call or loop, and what it leaves stacked."""
    called = _functions(operation)
    if called:
        graphs = [graph._get_function(f.name).graph for f in called]
        return max(map(peak_bytes, graphs)), 0
    if operation.type in _LOOPS:
        body = graph._get_function(operation.get_attr("body").name).graph
        limit = tf.get_static_value(operation.inputs[1])
        iterations = 1 if limit is None else int(limit)
        stacked = sum(
            _bytes(op.inputs[1])
            for op in body.get_operations()
            if op.type == "TensorListPushBack"
        )
        at_once = min(operation.get_attr("parallel_iterations"), iterations)
        return peak_bytes(body) * at_once, stacked * iterations
    return 0, 0


def _functions(operation):
    """Return the functions of a call, or of branches, of which one runs."""
    if operation.type in _CALLS:
        return [operation.get_attr("f")]
    if operation.type in _CONDITIONS:
        return [operation.get_attr(f"{b}_branch") for b in ("then", "else")]
    if operation.type in _CASES:
        return operation.get_attr("branches")
    return []


def _bytes(tensor):
    is_opaque = tensor.dtype in (tf.resource, tf.variant, tf.string)
    # Without a rank it is the workspace of an operation, which is small.
    if is_opaque or tensor.shape.rank is None:
        return 0
    sizes = [size or 1 for size in tensor.shape]
    return math.prod(sizes) * tensor.dtype.size
