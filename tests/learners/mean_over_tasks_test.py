import keras
import pytest

import kerasmeta as km
from kerasmeta.learners.mean_over_tasks import is_mean_over_tasks


def learner_with(loss, learner_class=km.learners.MAML):
    learner = learner_class(km.backbones.mlp((1,), 1, units=(4,)))
    learner.compile("sgd", loss)
    return learner


class OwnMetaLoss(km.learners.MAML):
    def meta_loss(self, *args, **kwargs):
        return super().meta_loss(*args, **kwargs)


class OwnCall(km.learners.MAML):
    def call(self, *args, **kwargs):
        return super().call(*args, **kwargs)


class JointLoss(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return keras.ops.max(keras.ops.abs(y_true - y_pred))


class OwnSolve(km.learners.ABML):
    def solve(self, *args, **kwargs):
        return super().solve(*args, **kwargs)


class OwnCompiledLoss(km.learners.MAML):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


@pytest.mark.parametrize(
    "loss",
    ["mse", keras.losses.MeanSquaredError(), lambda y, p: (y - p) ** 2],
)
@pytest.mark.parametrize("name", ["MAML", "MAMLPlusPlus", "ABML", "ANIL"])
def test_means(loss, name):
    assert is_mean_over_tasks(learner_with(loss, getattr(km.learners, name)))


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.MeanSquaredError(reduction="sum"),
        keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
        {"one": "mse"},
        ["mse"],
        "dice",
        keras.losses.Dice(),
        keras.losses.Tversky(),
        keras.losses.Circle(),
        JointLoss(),
    ],
)
def test_losses_that_are_no_mean(loss):
    assert not is_mean_over_tasks(learner_with(loss))


@pytest.mark.parametrize(
    "kind", [OwnMetaLoss, OwnCall, OwnSolve, OwnCompiledLoss]
)
def test_whoever_overrides_a_method_has_promised_nothing(kind):
    assert not is_mean_over_tasks(learner_with("mse", kind))
