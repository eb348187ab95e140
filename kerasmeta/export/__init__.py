"""Writing learners for use without Keras and kerasmeta."""

from kerasmeta.export.saved_model import export_learner
