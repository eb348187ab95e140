"""Writing learners for use without Keras and kerasmeta."""

from kerasmeta.export.export_learner import export_learner
