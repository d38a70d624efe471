"""A data set on a local cluster of Dask: complete and right, also when a worker is killed and after a restart."""

import argparse
import importlib
import json
import pathlib
import sys

import pytest

import czip

distributed = pytest.importorskip("distributed")
pyarrow = pytest.importorskip("pyarrow")
parquet = importlib.import_module("pyarrow.parquet")

EXAMPLE = pathlib.Path(__file__).parent.parent / "examples" / "dask"
LEVEL = 3  # without the net, which takes its time


@pytest.fixture(scope="module")
def example():
    """The modules of the example."""
    names = ["parts", "on_dask", "compress", "restore"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        yield argparse.Namespace(**{name: importlib.import_module(name) for name in names})
    for name in names:
        del sys.modules[name]


@pytest.fixture(scope="module")
def client(example):
    """A cluster of two processes."""
    with example.on_dask.cluster(argparse.Namespace(scheduler=None, workers=2)) as client:
        yield client


@pytest.fixture
def source(tmp_path):
    """Parts of NDJSON in two folders, and one of Parquet."""
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    for number in range(8):
        lines = [f'{{"id": {line}, "text": "part {number}, line {line}"}}\n' for line in range(300)]
        (folder / ("more" if number > 5 else ".") / f"part-{number}.ndjson").write_text("".join(lines))
    table = pyarrow.table(
        {
            "text": ["one", None, "three"] * 100,
            "when": pyarrow.array(range(300), pyarrow.timestamp("us", "UTC")),
            "kind": pyarrow.array(["a", "b", "a"] * 100).dictionary_encode(),
            "many": [[1, 2], [], None] * 100,
        },
        metadata={"made by": "a test"},
    )
    parquet.write_table(table, folder / "table.parquet", row_group_size=100)
    return folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def assert_restored(source, target):
    """All files are there, with the same bytes, or the same table."""
    before, after = contents(source), contents(target)
    tables = [contents.pop("table.parquet") for contents in (before, after)]
    assert after == before
    first, second = (parquet.read_table(pyarrow.BufferReader(table)) for table in tables)
    assert first.equals(second, check_metadata=True)


def test_a_data_set_comes_back(example, client, source, tmp_path, capsys):
    there = ["--scheduler", client.scheduler.address]
    out, back = tmp_path / "out", tmp_path / "back"
    compress = [str(source), str(out), "--level", str(LEVEL), *there]
    assert example.compress.main(compress) == 0
    assert "9 parts compressed, 0 of them before" in capsys.readouterr().out
    manifest = json.loads((out / "manifest.json").read_text())
    content_hash = czip.Model.builtin().content_hash
    assert manifest["options"] == {"model_id": content_hash, "level": LEVEL, "segment_len": None}
    names = [part["name"] for part in manifest["parts"]]
    assert names == sorted(contents(source))
    for part in manifest["parts"]:
        assert part["output_len"] == (out / "parts" / f"{part['name']}.czip").stat().st_size
        assert part["input_len"] == (source / part["name"]).stat().st_size

    # What is damaged or missing is done again, and nothing else.
    complete = contents(out)
    (out / "parts" / "part-0.ndjson.czip").write_bytes(b"damaged")
    (out / "parts" / "part-1.ndjson.czip").unlink()
    (out / "records" / "more" / "part-6.ndjson.json").unlink()
    (out / "parts" / ".part-2.ndjson.czip.x.czip-unfinished").write_bytes(b"half")
    assert example.compress.main(compress) == 0
    assert "9 parts compressed, 6 of them before" in capsys.readouterr().out
    assert contents(out) == complete

    restore = [str(out), str(back), *there]
    assert example.restore.main(restore) == 0
    assert_restored(source, back)
    (back / "part-3.ndjson").unlink()
    (back / "part-4.ndjson").write_bytes(b"something else")
    (out / "parts" / "part-3.ndjson.czip").write_bytes(b"damaged")
    (back / "table.parquet").unlink()
    assert example.restore.main(restore) == 1
    said = capsys.readouterr()
    assert "7 parts restored, 6 of them before" in said.out
    assert "part-3.ndjson.czip is damaged" in said.err
    assert "part-4.ndjson exists already, and is something else" in said.err
    assert (back / "part-4.ndjson").read_bytes() == b"something else"


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by a signal")
def test_a_lost_worker_costs_its_part_alone(example, client, source, tmp_path):
    out, back, log = tmp_path / "out", tmp_path / "back", tmp_path / "log"
    log.mkdir()
    victim = "part-4.ndjson"

    def work(source, target, name, options):
        """`compress_part`, but the first process that compresses the victim dies before that has its name."""
        import os
        import pathlib
        import signal

        import parts

        label = name.replace("/", "-")
        attempt = len(list(log.glob(f"{label}.started-*")))
        (log / f"{label}.started-{attempt}").touch()
        if name == victim and attempt == 0:
            pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        record = parts.compress_part(source, target, name, options)
        if not record["done_before"]:
            (log / f"{label}.done-{attempt}").touch()
        return record

    options = example.parts.with_model_id(example.parts.Options(level=LEVEL))
    names = example.parts.find(str(source))
    tasks = {name: (str(source), str(out), name, options) for name in names}
    records, failed = example.on_dask.run(client, work, tasks)
    assert not failed
    assert sorted(record["name"] for record in records) == names

    done = sorted(path.name.rsplit("-", 1) for path in log.glob("*.done-*"))
    expected = [[name.replace("/", "-") + ".done", "1" if name == victim else "0"] for name in names]
    assert done == sorted(expected)
    (left,) = (out / "parts").rglob(".*")
    assert left.name.startswith(f".{victim}.czip.")
    example.parts.remove_unfinished(str(out))
    assert not left.exists()

    for record in records:
        example.parts.restore_part(str(out), str(back), record, options)
    assert_restored(source, back)


def test_a_change_is_an_error(example, source, tmp_path):
    parts, out = example.parts, tmp_path / "out"
    options = parts.with_model_id(parts.Options(level=LEVEL))
    name = "part-0.ndjson"
    parts.compress_part(str(source), str(out), name, options)
    before = contents(out)
    higher = parts.with_model_id(parts.Options(level=LEVEL - 1))
    with pytest.raises(parts.PartError, match="compressed before, with another level"):
        parts.compress_part(str(source), str(out), name, higher)
    with pytest.raises(parts.PartError, match="is another model than 0000"):
        parts.compress_part(str(source), str(tmp_path / "other"), name, parts.Options(model_id="0000"))
    (source / name).write_text("{}\n")
    with pytest.raises(parts.PartError, match="compressed before, with another input_len, input_sha256"):
        parts.compress_part(str(source), str(out), name, options)
    assert contents(out) == before
    record = {"name": "../out", "kind": "bytes"}
    with pytest.raises(parts.PartError, match="would not be in the folder"):
        parts.restore_part(str(out), str(tmp_path / "back"), record, options)
    with pytest.raises(SystemExit):
        example.compress.main([str(source), str(source / "out")])
