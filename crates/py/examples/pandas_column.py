"""A column of texts, compressed value by value, in a Parquet file if pyarrow is there.

Each text can be read without the others, and all of them are coded side by side.
"""

import importlib.util
import pathlib
import tempfile

import pandas

import czip

SUBJECTS = ["printer", "invoice", "parcel", "password", "meeting room"]

table = pandas.DataFrame({"subject": [SUBJECTS[number % 5] for number in range(50)]})
table["text"] = [
    f"Dear all, could someone please have a look at the {subject}? It has not worked since Monday, "
    f"and this is request {number}. Thank you very much in advance."
    for number, subject in enumerate(table["subject"])
]

packed = table.assign(text=czip.compress_many(text.encode() for text in table["text"]))
before = table["text"].str.len().sum()
after = packed["text"].map(len).sum()
print(f"{before} bytes of text in {after} bytes")

if importlib.util.find_spec("pyarrow"):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "table.parquet"
        packed.to_parquet(path, compression=None)
        packed = pandas.read_parquet(path)

# One row.
assert czip.decompress(packed.loc[7, "text"]).decode() == table.loc[7, "text"]

# Some rows, all at once.
rows = packed[packed["subject"] == "parcel"]
texts = [text.decode() for text in czip.decompress_many(rows["text"])]
assert texts == table.loc[rows.index, "text"].tolist()
