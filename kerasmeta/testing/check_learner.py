"""The contract that every learner keeps, ours or a user's."""

from kerasmeta.testing import learner_checks

CHECKS = {
    name.removeprefix("check_"): function
    for name, function in vars(learner_checks).items()
    if name.startswith("check_")
}
CLASS_CHECKS = ("class_permutation",)
SUPPORT_CHECKS = ("support_permutation",)


def check_learner(
    make_learner,
    make_episodes,
    checks=None,
    permutes_classes=False,
    ignores_support_order=True,
):
    """Check that a learner keeps the contract of kerasmeta.

    Run it on a learner that you have written: what passes works with `fit`,
    `evaluate`, saving, loading and exporting as the built-in ones do.

    Args:
        make_learner: Function that returns a new compiled `MetaLearner`,
            without dropout and small.
        make_episodes: Function that returns a finite dataset of classification
            or regression episodes that suits it, meta-batches of 2 or more.
        checks: Names of checks, of `km.testing.LEARNER_CHECKS`; all by
            default.
        permutes_classes: Whether the learner promises that numbering the
            classes differently numbers its outputs differently, and nothing
            else.
        ignores_support_order: Whether it promises that the order of support
            examples does not matter.

    Raises:
        AssertionError: If a check fails; the message begins with its name.
        ValueError: If a name in `checks` is unknown.

    Example:

    >>> def make_learner():
    ...     learner = km.learners.MAML(km.backbones.mlp((1,), 1, units=(8,)))
    ...     learner.compile(optimizer="adam", loss="mse")
    ...     return learner
    >>> def make_episodes():
    ...     family = km.tasks.Sinusoid(shots=5, queries=5)
    ...     return family.episodes(batch_size=2, num_episodes=4)
    >>> km.testing.check_learner(make_learner, make_episodes, ["shapes"])
    """
    names = list(CHECKS if checks is None else checks)
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        raise ValueError(
            f"`checks` must be names of {list(CHECKS)}. "
            f"Received: unknown checks {unknown}"
        )
    for name in names:
        if name in CLASS_CHECKS and not permutes_classes:
            continue
        if name in SUPPORT_CHECKS and not ignores_support_order:
            continue
        try:
            CHECKS[name](make_learner(), make_episodes())
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
