"""The head of a network: its last layer, or all from a named one on."""

import keras


class SplitNetwork:
    """Two models that share the layers of a network, its body and its head.

    A plain object, so that a learner that holds it does not count and save the
    layers twice.

    Args:
        network: Built `Sequential` or functional `keras.Model`.
        head: Name of the first layer of the head, or `None` for the last layer
            with trainable weights.

    Raises:
        ValueError: If the network cannot be cut in two in front of the head.
    """

    def __init__(self, network, head=None):
        layer = head_layers(network, head)[0]
        if not getattr(network, "outputs", None):
            raise _no_split(network, layer, "it is sub-classed")
        cut = _tensor_before(network, layer)
        is_sequential = isinstance(network, keras.Sequential)
        inputs = network.inputs if is_sequential else network.input
        outputs = network.outputs if is_sequential else network.output
        self.body = keras.Model(inputs, cut, name=f"{network.name}_body")
        try:
            self.head = keras.Model(cut, outputs, name=f"{network.name}_head")
        except ValueError as error:
            reason = "not everything goes through this layer"
            raise _no_split(network, layer, reason) from error
        in_body = {id(v) for v in self.body.variables}
        if any(id(v) in in_body for v in self.head.variables):
            raise _no_split(network, layer, "a layer is used on both sides")


def head_layers(network, head=None):
    """Return the layers of the head: the first one and all that follow it.

    Args:
        network: Built `keras.Model`.
        head: Name of the first layer of the head, or `None` for the last layer
            with trainable weights.

    Raises:
        ValueError: If there is no such layer, or no trainable weight in it.
    """
    layers = network.layers
    learning = [i for i, v in enumerate(layers) if v.trainable_variables]
    names = [layer.name for layer in layers]
    if head is not None and head not in names:
        raise ValueError(
            f"`head` must be the name of one of the layers {names}. "
            f"Received: head={head!r}"
        )
    if head is None and len(getattr(network, "outputs", None) or []) > 1:
        raise ValueError(
            "A network with several outputs has several last layers. Pass the "
            f"name of the first layer of the head, of {names}. "
            "Received: head=None"
        )
    start = max(learning, default=0) if head is None else names.index(head)
    if start > max(learning, default=-1):
        raise ValueError(
            "The head must have trainable weights. Pass the name of a layer "
            "that has some, or comes before one. "
            f"Received: head={head!r} of a network named {network.name!r}"
        )
    return layers[start:]


def head_variables(network, head=None):
    """Return the trainable variables of the head; see `head_layers`."""
    variables = {
        id(variable): variable
        for layer in head_layers(network, head)
        for variable in layer.trainable_variables
    }
    return list(variables.values())


def body_variables(network, head=None):
    """Return the trainable variables of all but the head.

    Raises:
        ValueError: If nothing is left, or there is no such head.
    """
    in_head = {id(variable) for variable in head_variables(network, head)}
    body = [v for v in network.trainable_variables if id(v) not in in_head]
    if not body:
        raise ValueError(
            "The network must have trainable weights in front of its head. "
            "Pass the name of a later layer, or use a deeper network. "
            f"Received: head={head!r} of a network named {network.name!r}"
        )
    return body


def _tensor_before(network, layer):
    """Return the symbolic tensor that a layer gets within a network."""
    nodes = _nodes_of(network, layer)
    tensors = {id(t): t for node in nodes for t in node.input_tensors}
    is_masked = any(
        getattr(tensor, "_keras_mask", None) is not None
        for tensor in tensors.values()
    )
    if len(nodes) != 1 or len(tensors) != 1 or is_masked:
        reason = "this layer has several inputs or gets a mask of padding"
        raise _no_split(network, layer, reason)
    return next(iter(tensors.values()))


def _nodes_of(network, layer):
    """Return the calls of a layer, found from the outputs backwards.

    `layer.input` would be that of a layer's first call, maybe elsewhere.
    """
    found, seen = [], set()
    waiting = list(network.outputs)
    while waiting:
        operation, index, _ = waiting.pop()._keras_history
        node = operation._inbound_nodes[index]
        if id(node) not in seen:
            seen.add(id(node))
            waiting += node.input_tensors
            if operation is layer:
                found.append(node)
    return found


def _no_split(network, layer, reason):
    return ValueError(
        "The network must be `Sequential` or functional, and everything must "
        "pass, as one tensor, into the first layer of the head. Pass the name "
        "of such a layer as `head`, or use `km.learners.MAML`, which takes any "
        f"network. Received: head={layer.name!r} of a network named "
        f"{network.name!r}, where {reason}"
    )
