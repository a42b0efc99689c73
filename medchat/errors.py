"""The errors that a person is meant to read.

    MedchatError
    ├── BadInput           a file, option or text that the person gave cannot be used
    ├── ModelUnavailable   a declared model cannot answer now
    └── CheckpointError    the files of a model are missing, damaged or do not fit together

A message names the value at fault and what to do about it. Anything else that is raised is a
defect of the program and keeps its traceback.
"""


class MedchatError(Exception):
    """Its text is written for the person who reads it."""


class BadInput(MedchatError):
    """A file, option or text that the person gave cannot be used as it is."""


class ModelUnavailable(MedchatError):
    """A declared model cannot answer now: not set up, not loaded, or its server is away."""


class CheckpointError(MedchatError):
    """The files of a model are missing, damaged or do not fit together."""
