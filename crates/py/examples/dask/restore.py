"""Restores a data set that compress.py has compressed: ``python restore.py OUT BACK``.

Started again, it goes on with what is not done.
"""

from __future__ import annotations

import argparse
import sys

import on_dask
import parts


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", metavar="OUT", help="folder with a manifest")
    parser.add_argument("target", metavar="BACK", help="folder to restore to")
    on_dask.add_options(parser)
    options = parser.parse_args(arguments)
    records = parts.read_manifest(options.source)
    how = parts.Options(model=options.model, threads=options.threads)
    tasks = {record["name"]: (options.source, options.target, record, how) for record in records}
    with on_dask.cluster(options) as client:
        records, failed = on_dask.run(client, parts.restore_part, tasks)
    parts.remove_unfinished(options.target)
    return on_dask.report("restored", records, failed)


if __name__ == "__main__":
    sys.exit(main())
