"""What a learner's part of a file holds besides its variables.

The states of its seed generators, which Keras forgets, so that training that
goes on from a file draws what it would have drawn; and the matrices of LoRA.
"""

import contextlib

from kerasmeta.learners.lora_weights import load_lora
from kerasmeta.learners.lora_weights import save_lora


def save_extras(learner, store):
    """Write seeds and matrices into the store of a learner."""
    for name, state in _seed_states(learner).items():
        store[name] = state.numpy()
    save_lora(learner, store)


def load_extras(learner, store):
    """Load what `save_extras` wrote.

    Returns:
        The rest of the store, as a dictionary of arrays.
    """
    own = {name: store[name] for name in store.keys()}
    saved = {k: own.pop(k) for k in list(own) if k.startswith("seed_")}
    states = _seed_states(learner)
    # Weights may come from a network with noise in other places.
    if saved.keys() == states.keys():
        for name, value in saved.items():
            states[name].assign(value)
    load_lora(learner, own)
    return own


@contextlib.contextmanager
def naming_damage(filepath):
    """Make a `ValueError` that names the file of what a damaged one raises."""
    try:
        yield
    except (FileNotFoundError, MemoryError):
        raise  # Nothing is damaged.
    # Of a damaged file, Keras and HDF5 raise whatever their parsers do.
    except Exception as error:
        raise ValueError(
            "The weights cannot be loaded: the file must be whole, undamaged "
            "and of a learner like this one. "
            f"Received: filepath={str(filepath)!r}, "
            f"{type(error).__name__}: {error}"
        ) from error


def _seed_states(learner):
    """Return the states of all seed generators, by their name in files."""
    states = [
        variable
        for variable in learner.non_trainable_variables
        if variable.name == "seed_generator_state"
    ]
    return {f"seed_{i}": state for i, state in enumerate(states)}
