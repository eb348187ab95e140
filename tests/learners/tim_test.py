import keras
import numpy as np
import pytest

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
CENTERS = GENERATOR.normal(size=(3, 4))
SUPPORT_LABELS, QUERY_LABELS = np.arange(6) % 3, np.arange(30) % 3
SUPPORT = CENTERS[SUPPORT_LABELS] + GENERATOR.normal(size=(6, 4))
QUERY = CENTERS[QUERY_LABELS] + 0.5 * GENERATOR.normal(size=(30, 4))
TAU, SUPPORT_WEIGHT, ENTROPY_WEIGHT = 8.0, 0.2, 0.3


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def probabilities(x, prototypes):
    distances = ((x[:, None] - prototypes) ** 2).sum(axis=-1)
    powers = np.exp(-TAU / 2 * distances)
    return powers / powers.sum(axis=1, keepdims=True)


def start():
    z = unit(SUPPORT)
    return np.stack([z[SUPPORT_LABELS == n].mean(0) for n in range(3)])


def steps(count):
    """Propositions 1 and 2 of the paper, example by example."""
    support, query, prototypes = unit(SUPPORT), unit(QUERY), start()
    for _ in range(count):
        powers = probabilities(query, prototypes) ** (1 + ENTROPY_WEIGHT)
        labels = powers / np.sqrt(powers.sum(axis=0))
        labels /= labels.sum(axis=1, keepdims=True)
        parts = [
            (support, np.eye(3)[SUPPORT_LABELS], None),
            (query, labels, len(support) / len(query)),
        ]
        top, bottom = np.zeros((3, 4)), np.zeros(3)
        for x, targets, weight in parts:
            weight = weight or SUPPORT_WEIGHT / (1 + ENTROPY_WEIGHT)
            p = probabilities(x, prototypes)
            for i in range(len(x)):
                for n in range(3):
                    pull = targets[i, n] * x[i]
                    pull += p[i, n] * (prototypes[n] - x[i])
                    top[n] += weight * pull
                    bottom[n] += weight * targets[i, n]
        prototypes = top / bottom[:, None]
    return prototypes


def logits_of(count):
    inputs = keras.Input((4,))
    learner = km.learners.TIM(
        keras.Model(inputs, inputs),
        steps=count,
        temperature=TAU,
        support_weight=SUPPORT_WEIGHT,
        entropy_weight=ENTROPY_WEIGHT,
    )
    state = learner.adapt(SUPPORT, SUPPORT_LABELS)
    return learner.predict_query(state, QUERY).numpy()


def objective(prototypes):
    support = probabilities(unit(SUPPORT), prototypes)
    query = probabilities(unit(QUERY), prototypes)
    fit = -np.log(support[np.arange(6), SUPPORT_LABELS]).mean()
    mean = query.mean(axis=0)
    certain = -(query * np.log(query)).sum(axis=1).mean()
    return (
        SUPPORT_WEIGHT * fit
        + (mean * np.log(mean)).sum()
        + ENTROPY_WEIGHT * certain
    )


@pytest.mark.usefixtures("float64")
def test_formula():
    distances = ((unit(QUERY)[:, None] - steps(5)) ** 2).sum(axis=-1)
    np.testing.assert_allclose(
        logits_of(5), -TAU / 2 * distances, rtol=1e-9, atol=1e-9
    )


def test_the_objective_falls():
    """The alternation lowers what the paper minimises."""
    values = [objective(steps(count)) for count in (0, 5, 40)]
    assert values[0] > values[1] > values[2]
