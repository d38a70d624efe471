"""What is raised for files, models and limits."""

__all__ = [
    "CzipError",
    "LimitError",
    "MalformedError",
    "ModelError",
    "TruncatedError",
    "UnsupportedError",
]


class CzipError(OSError, ValueError):
    """A file or a model cannot be used; a subclass says why.

    What a file object or the system raises comes through as it is.
    """


class MalformedError(CzipError):
    """A file or a model is damaged, or is not one."""


class TruncatedError(MalformedError, EOFError):
    """A file ends early."""


class ModelError(CzipError):
    """A file needs a model that was not given, or was made with another one."""


class LimitError(CzipError):
    """A file asks for more than ``max_text_len`` or ``max_memory``."""


class UnsupportedError(CzipError):
    """The format cannot hold the text, or this package cannot read the file in this way."""


for _name in __all__:
    globals()[_name].__module__ = "czip"
