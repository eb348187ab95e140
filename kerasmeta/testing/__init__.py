"""Checks for learners of your own, and for networks."""

from kerasmeta.testing.check_learner import CHECKS as LEARNER_CHECKS
from kerasmeta.testing.check_learner import check_learner
from kerasmeta.testing.verify_meta_gradient import verify_meta_gradient
