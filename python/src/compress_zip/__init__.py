"""czip in Python: lossless text compression with a small language model, in exact integers.

A second implementation, written from the pages in ``docs/spec`` alone. Start with :mod:`compress_zip.fixed`;
modules follow the specification in its order.
"""

from __future__ import annotations

__version__ = "0.1.0"
