"""The errors that a person is meant to read.

    MedchatError
    ├── BadInput           a file, option or text that the person gave cannot be used
    ├── ModelUnavailable   a declared model cannot answer now
    └── CheckpointError    the files of a model are missing, damaged or do not fit together

A message names the value at fault and what to do about it. Anything else that is raised is a
defect of the program and keeps its traceback.
"""


class MedchatError(Exception):
    """Its text is written for the person who reads it.

    Where the page must say the same in another language, ``code`` is a stable key and ``details``
    fill the places of that language's sentence.
    """

    def __init__(self, message: str, *, code: str = "", **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class BadInput(MedchatError):
    """A file, option or text that the person gave cannot be used as it is."""


class ModelUnavailable(MedchatError):
    """A declared model cannot answer now: not set up, not loaded, or its server is away."""


class CheckpointError(MedchatError):
    """The files of a model are missing, damaged or do not fit together."""
