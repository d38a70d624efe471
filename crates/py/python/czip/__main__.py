"""The program ``czip``: ``python -m czip --help``."""

import os
import sys

from ._czip import run


def main() -> int:
    """Runs the program with the command line of this process, and returns its exit code."""
    # Both names of the program are kept; what it is called by else says nothing.
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    program = name if name == "compress_zip" else "czip"
    return run([program, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
