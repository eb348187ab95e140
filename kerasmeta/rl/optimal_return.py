"""What the best of all strategies earns."""

import functools
import math

from kerasmeta.utils import check_positive_int

# More beliefs than this would take minutes.
_LIMIT = 10**6


def optimal_return(arms, pulls):
    """Return what the best strategy for `BernoulliBandits` expects to earn.

    Use it to see how far from the best a learner is. What is known of an arm
    is how often it has paid and has not, and what can be expected is found by
    going through all that can be known: with `n` pulls left

    `V_n = max_a p_a (1 + V_{n-1} if a pays) + (1 - p_a) V_{n-1} if not`

    where `p_a = (1 + wins) / (2 + wins + losses)`. The regret of this strategy
    is `pulls * arms / (arms + 1)`, what the best arm earns, minus this return.

    Reference: Bellman, 1956, "A Problem in the Sequential Design of
    Experiments", Sankhya 16.

    Args:
        arms: Number of arms, at least 2, whose probabilities are uniform in
            0..1.
        pulls: Number of pulls.

    Returns:
        Number.

    Raises:
        ValueError: If an argument is no such integer, or there is too much that
            can happen.

    Example:

    >>> round(km.rl.optimal_return(arms=2, pulls=2), 4)
    1.0833
    """
    arms = check_positive_int("arms", arms, minimum=2)
    pulls = check_positive_int("pulls", pulls)
    beliefs = math.comb(pulls + 2 * arms, pulls)
    if beliefs > _LIMIT:
        raise ValueError(
            f"There are {beliefs} counts of what can have happened, too many "
            "to go through. Use fewer arms or pulls. "
            f"Received: arms={arms}, pulls={pulls}"
        )

    # Arms are alike, so that their order does not matter: counts are sorted.
    @functools.cache
    def value(counts, left):
        if not left:
            return 0.0
        return max(earned(counts, arm, left - 1) for arm in set(counts))

    def earned(counts, arm, left):
        wins, losses = arm
        others = list(counts)
        others.remove(arm)
        paid, unpaid = (
            value(tuple(sorted([*others, after])), left)
            for after in ((wins + 1, losses), (wins, losses + 1))
        )
        chance = (1 + wins) / (2 + wins + losses)
        return chance * (1 + paid) + (1 - chance) * unpaid

    return value(((0, 0),) * arms, pulls)
