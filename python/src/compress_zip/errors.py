"""What can go wrong.

All errors of bad input are a :class:`CzipError`; other exceptions are faults of a caller. Texts
are lower case, without a full stop, and give the value and the place.
"""

from __future__ import annotations


class CzipError(Exception):
    """Input that cannot be used."""


class ModelError(CzipError):
    """A model file breaks a rule of its format (czm-v1.md, czm-v2.md, czm-v3.md, section 5)."""


class TokenizerError(CzipError):
    """A tokenizer breaks a rule of tokenizer.md, or a token id has no token."""


class FormatError(CzipError):
    """A compressed file breaks a rule of czip-v1.md, section 6, or czip-v2.md, section 8."""


class UnsupportedError(FormatError):
    """A compressed file of a version or level that is not defined (czip-v2.md, section 3)."""


class DamagedError(CzipError):
    """A compressed file decodes to the wrong thing: it is damaged, or made with another model."""


class WrongModelError(CzipError):
    """A compressed file needs a model that is not at hand, or a model another tokenizer."""


class LimitError(CzipError):
    """Valid input that takes more memory or time than is allowed."""
