"""Parts of a data set on the workers of Dask, one at a time for each thread of a worker."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dask.distributed import Client, LocalCluster, as_completed


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those that compressing and restoring share."""
    parser.add_argument("--model", metavar="FILE", help="model file, by a path that all workers know")
    parser.add_argument("--threads", type=int, default=1, help="threads for each part [default: 1]")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="a cluster that is there, such as tcp://host:8786"
    )
    where.add_argument("--workers", type=int, help="processes on this machine [default: one for each core]")


@contextlib.contextmanager
def cluster(options: argparse.Namespace) -> Iterator[Client]:
    """The cluster that the command line asks for."""
    if options.scheduler:
        with Client(options.scheduler) as client:
            yield client
        return
    local = LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address=":0")
    with local, Client(local) as client:
        yield client


def run(
    client: Client, work: Callable[..., dict[str, Any]], tasks: Mapping[str, tuple[Any, ...]]
) -> tuple[list[dict[str, Any]], dict[str, Exception]]:
    """Calls `work` with the arguments of each task on the workers. Returns their records, and what has failed, by name.

    A worker that is lost costs the tasks that it was at, which others do again. A task that has lost its worker four times
    fails (`distributed.scheduler.allowed-failures`); all others go on.
    """
    # Workers that come later get the module, too. They import it; the scheduler, which may be this process, need not.
    client.upload_file(str(Path(__file__).with_name("parts.py")), load=False)
    futures: dict[Any, str] = {
        client.submit(work, *arguments, pure=False): name for name, arguments in tasks.items()
    }
    records, failed = [], {}
    for future in as_completed(list(futures)):
        # Forgotten here, so that the scheduler forgets it as well.
        name = futures.pop(future)
        try:
            records.append(future.result())
        except Exception as error:
            failed[name] = error
    return records, failed


def report(verb: str, records: list[dict[str, Any]], failed: Mapping[str, Exception]) -> int:
    """Says what has been done, and returns the exit code."""
    before = sum(record["done_before"] for record in records)
    text = sum(record["input_len"] for record in records)
    packed = sum(record["output_len"] for record in records)
    print(f"{len(records)} parts {verb}, {before} of them before: {text} bytes of text in {packed} bytes")
    for name, error in failed.items():
        print(f"{name}: {error}", file=sys.stderr)
    return 1 if failed else 0
