"""The compression of fsspec, and what reads through it."""

import fsspec
import pandas

import czip
import czip.fsspec


def test_registered_by_name_and_ending(tmp_path):
    assert fsspec.compression.compr["czip"] is czip.fsspec.open_file
    path = tmp_path / "text.czip"
    with fsspec.open(str(path), "wb", compression="czip") as file:
        file.write(b"one two")
    assert path.read_bytes() == czip.compress(b"one two")
    with fsspec.open(str(path), "rb", compression="infer") as file:
        file.seek(4)
        assert file.read() == b"two"
    with fsspec.open(str(path), "rt", compression="czip", encoding="utf-8") as file:
        assert file.read() == "one two"


def test_pandas(tmp_path):
    table = pandas.DataFrame({"id": [1, 2, 3], "text": ["one", "two, too", "three"]})
    path = str(tmp_path / "table.csv.czip")
    with fsspec.open(path, "wt", compression="infer", encoding="utf-8", newline="") as file:
        table.to_csv(file, index=False)
    with fsspec.open(path, "rt", compression="infer", encoding="utf-8") as file:
        pandas.testing.assert_frame_equal(pandas.read_csv(file), table)
