"""What a manifest must hold, to be of use."""

from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_seed


def check_manifest(about, arrays):
    """Raise a `ValueError` if the parts of a manifest do not fit together.

    Args:
        about: Dictionary that says what the episodes are.
        arrays: Dictionary of the arrays.
    """
    spec = EpisodeSpec(**about["spec"])
    check_seed(about["seed"])
    num_examples = check_positive_int("num_examples", about["num_examples"])
    if not isinstance(about["sha256"], str):
        raise ValueError(f"`sha256` is {about['sha256']!r}")
    kinds = {"ids": "iu", "y": "iu", **({"mask": "b"} if spec.varies else {})}
    expected = {f"{s}_{n}" for s in ("support", "query") for n in kinds}
    if arrays.keys() != expected:
        raise ValueError(f"arrays {sorted(arrays)}, not {sorted(expected)}")
    count = len(arrays["query_y"])
    for name, array in arrays.items():
        side, _, what = name.rpartition("_")
        shape = (count, *arrays[f"{side}_ids"].shape[1:])
        if array.shape != shape or len(shape) != 2 or not array.size:
            raise ValueError(f"`{name}` has the shape {array.shape}")
        if array.dtype.kind not in kinds[what]:
            raise ValueError(f"`{name}` has the dtype {array.dtype}")
        end = {"ids": num_examples, "y": spec.max_ways, "mask": 2}[what]
        if array.min() < 0 or array.max() >= end:
            raise ValueError(f"`{name}` has numbers outside 0..{end - 1}")
