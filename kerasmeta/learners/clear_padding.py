"""Meta-batches whose padding cannot matter, whatever it holds."""

import keras

from kerasmeta.ops.zero_padding import zero_padding


def clear_padding(episodes):
    """Return a meta-batch with zeros in place of padding.

    What kerasmeta pads has them already; other data may hold NaN there, which
    a weight of zero does not remove.

    Args:
        episodes: Dictionary of a meta-batch: `"support_mask"` and
            `"query_mask"`, where there are any, mark what is real.
    """
    cleared = dict(episodes)
    for part in ("support", "query"):
        for name in (f"{part}_x", f"{part}_y"):
            if name in cleared:
                mask = cleared.get(f"{part}_mask")
                cleared[name] = zero_padding(cleared[name], mask)
    return cleared


def unpack_clear(data):
    """Return episodes, targets and sample weights, with zeros for padding."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    mask = x.get("query_mask")
    if sample_weight is not None:
        sample_weight = zero_padding(sample_weight, mask)
    return clear_padding(x), zero_padding(y, mask), sample_weight
