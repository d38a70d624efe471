"""Compresses a data set, file by file, on a cluster of Dask: ``python compress.py IN OUT``.

Started again, it goes on with what is not done.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import on_dask
import parts


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", metavar="IN", help="folder of the data set")
    parser.add_argument("target", metavar="OUT", help="folder for its parts and manifest")
    parser.add_argument("--level", type=int, default=5, help="1 to 9 [default: 5]")
    parser.add_argument(
        "--segment", type=int, metavar="BYTES", help="bytes of text that are coded independently"
    )
    on_dask.add_options(parser)
    options = parser.parse_args(arguments)
    source, target = Path(options.source).resolve(), Path(options.target).resolve()
    if source in (target, *target.parents):
        parser.error("OUT is in IN, and would become a part of it")
    names = parts.find(options.source)
    if not names:
        parser.error(f"there are no files in {options.source}")
    how = parts.Options(
        model=options.model, level=options.level, segment_len=options.segment, threads=options.threads
    )
    how = parts.with_model_id(how)
    tasks = {name: (options.source, options.target, name, how) for name in names}
    with on_dask.cluster(options) as client:
        records, failed = on_dask.run(client, parts.compress_part, tasks)
    parts.remove_unfinished(options.target)
    if not failed:
        parts.write_manifest(options.target, records, how)
    return on_dask.report("compressed", records, failed)


if __name__ == "__main__":
    sys.exit(main())
