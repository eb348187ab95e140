"""Judging learners: over features computed once, and beyond closed sets."""

from kerasmeta.evaluation.embed import embed
from kerasmeta.evaluation.open_set import evaluate_open_set
from kerasmeta.evaluation.open_set import open_set_episodes
