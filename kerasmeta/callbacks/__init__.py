"""Callbacks for `fit` on episodes."""

from kerasmeta.callbacks.backup_and_restore import BackupAndRestore
