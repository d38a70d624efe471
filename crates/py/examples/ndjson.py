"""A file of NDJSON whose lines can be read without those before.

The places of lines are kept beside the file. A line is found by seeking, which decodes only the segment it is in.
"""

import json
import pathlib
import tempfile

import czip

records = [
    {"id": number, "message": f"Record {number}: the quick brown fox jumps over the lazy dog."}
    for number in range(1000)
]

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "records.ndjson.czip"
    places = []
    # Short segments: less is decoded for a line, and the file is larger.
    with czip.open(path, "wb", segment_len=16 << 10, level=3) as file:
        for record in records:
            places.append(file.tell())
            file.write(json.dumps(record).encode() + b"\n")
        length = file.tell()
    print(f"{length} bytes of text in {path.stat().st_size} bytes")

    with czip.open(path) as file:
        file.seek(places[700])
        assert json.loads(file.readline()) == records[700]

    # All of them, as text.
    with czip.open(path, "rt", encoding="utf-8") as file:
        assert [json.loads(line) for line in file] == records
