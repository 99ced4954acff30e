"""The error tree: every sentence a user sees starts here.

    ScribsegError              anything this package says no to
    ├── InvalidInput           a file, geometry, schema, option or folder is not usable as given
    ├── TaskNotSupported       the input is fine, but the chosen method can't do this task
    └── RunError               a training run failed, or is not in the state that was asked for

A message is one or two sentences: what was wrong, what was found, what was expected, what to do.
"""

from __future__ import annotations


class ScribsegError(Exception):
    """Anything this package says no to; its text is meant for the user."""

    exit_code = 1


class InvalidInput(ScribsegError):
    """A file, geometry, schema, option or folder is not usable as given."""

    exit_code = 2


class TaskNotSupported(ScribsegError):
    """The input is fine, but the chosen method can't do this task."""

    exit_code = 3


class RunError(ScribsegError):
    """A training run failed, or is not in the state that was asked for."""

    exit_code = 4
