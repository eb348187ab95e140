"""Judging learners: over features computed once, and beyond closed sets."""

from kerasmeta.evaluation.embed import embed
