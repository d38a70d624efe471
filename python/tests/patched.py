"""Model files that are changed as the golden vectors say: `variants.json` and `errors.json`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import brotli
import zstandard
from conftest import VECTORS

from compress_zip.model.file import TYPES, ModelFile, xxh3_128


@dataclass
class Parts:
    """What a safetensors file is made of: metadata, and tensors as type, shape and bytes."""

    metadata: dict[str, str] | None
    tensors: dict[str, tuple[str, list[int], bytes]]

    @classmethod
    def of(cls, data: bytes) -> Parts:
        file = ModelFile.from_bytes(data)
        tensors = {
            name: (tensor.type, list(tensor.shape), bytes(tensor.data))
            for name, tensor in file.tensors.items()
        }
        return cls(dict(file.metadata), tensors)

    def to_bytes(self) -> bytes:
        header: dict[str, Any] = {} if self.metadata is None else {"__metadata__": self.metadata}
        position = 0
        for name, (kind, shape, data) in self.tensors.items():
            header[name] = {
                "dtype": kind,
                "shape": shape,
                "data_offsets": [position, position + len(data)],
            }
            position += len(data)
        text = json.dumps(header).encode()
        return b"".join(
            [len(text).to_bytes(8, "little"), text, *(tensor[2] for tensor in self.tensors.values())]
        )

    def with_data_hash(self) -> bytes:
        """The file with the hash that a model of version 3 has."""
        data = self.to_bytes()
        assert self.metadata is not None
        self.metadata["data_hash"] = xxh3_128(data[8 + int.from_bytes(data[:8], "little") :]).hex()
        return self.to_bytes()


def patched(data: bytes, patch: dict[str, Any]) -> bytes:
    """A model file after a patch."""
    assert set(patch) <= {"metadata", "tensors", "tokenizer", "truncate"}
    parts = Parts.of(data)
    if "metadata" in patch:
        if patch["metadata"] is None:
            parts.metadata = None
        else:
            assert parts.metadata is not None
            for key, value in patch["metadata"].items():
                parts.metadata.pop(key, None)
                if value is not None:
                    parts.metadata[key] = value
    for name, change in patch.get("tensors", {}).items():
        if change is None:
            parts.tensors.pop(name)
            continue
        kind, shape, content = parts.tensors.get(name, ("", [], b""))
        kind, shape = change.get("dtype", kind), change.get("shape", shape)
        if "data" in change:
            content = bytes.fromhex(change["data"])
        length = math.prod(shape) * TYPES[kind] // 8
        parts.tensors[name] = (kind, shape, content[:length].ljust(length, b"\0"))
    if "tokenizer" in patch:
        value = json.loads((VECTORS / "tokenizer.json").read_bytes())
        value.update(patch["tokenizer"].get("edit", {}))
        text = json.dumps(value).encode()
        codecs = {"brotli": brotli.compress, "zstd": zstandard.compress}
        content = codecs[patch["tokenizer"]["codec"]](text)
        parts.tensors["tokenizer.data"] = ("U8", [len(content)], content)
    result = parts.to_bytes()
    return result[: patch["truncate"]] if "truncate" in patch else result
