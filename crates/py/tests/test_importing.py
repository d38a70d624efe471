"""Importing a model, in miniature: a folder as Hugging Face's libraries write it, and a GGUF file, with random weights."""

import json
import random
import signal
import struct
import subprocess
import sys

import pytest

import czip

ELEMENTS, HEAD, UNITS = 16, 32, 12
SHAPES = {
    "model.embed_tokens.weight": [2, ELEMENTS],
    "model.norm.weight": [ELEMENTS],
    "model.layers.0.input_layernorm.weight": [ELEMENTS],
    "model.layers.0.self_attn.q_proj.weight": [HEAD, ELEMENTS],
    "model.layers.0.self_attn.k_proj.weight": [HEAD, ELEMENTS],
    "model.layers.0.self_attn.v_proj.weight": [HEAD, ELEMENTS],
    "model.layers.0.self_attn.o_proj.weight": [ELEMENTS, HEAD],
    "model.layers.0.post_attention_layernorm.weight": [ELEMENTS],
    "model.layers.0.mlp.gate_proj.weight": [UNITS, ELEMENTS],
    "model.layers.0.mlp.up_proj.weight": [UNITS, ELEMENTS],
    "model.layers.0.mlp.down_proj.weight": [ELEMENTS, UNITS],
}
CONFIG = {
    "model_type": "llama",
    "hidden_size": ELEMENTS,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": HEAD,
    "intermediate_size": UNITS,
    "vocab_size": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 2**-17,  # the same in 32 bits, which GGUF files have for it
    "rope_theta": 10_000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": 0,
}
TOKENIZER = {
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    "added_tokens": [],
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
}
# The names of modules in GGUF files, before which those in layers have the layer's number.
GGUF_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "model.layers.0.input_layernorm.weight": "blk.0.attn_norm.weight",
    "model.layers.0.self_attn.q_proj.weight": "blk.0.attn_q.weight",
    "model.layers.0.self_attn.k_proj.weight": "blk.0.attn_k.weight",
    "model.layers.0.self_attn.v_proj.weight": "blk.0.attn_v.weight",
    "model.layers.0.self_attn.o_proj.weight": "blk.0.attn_output.weight",
    "model.layers.0.post_attention_layernorm.weight": "blk.0.ffn_norm.weight",
    "model.layers.0.mlp.gate_proj.weight": "blk.0.ffn_gate.weight",
    "model.layers.0.mlp.up_proj.weight": "blk.0.ffn_up.weight",
    "model.layers.0.mlp.down_proj.weight": "blk.0.ffn_down.weight",
}
GGUF_METADATA = {
    "general.architecture": "llama",
    "general.name": "tiny",
    "llama.embedding_length": ELEMENTS,
    "llama.block_count": 1,
    "llama.attention.head_count": 1,
    "llama.attention.head_count_kv": 1,
    "llama.attention.key_length": HEAD,
    "llama.attention.value_length": HEAD,
    "llama.rope.dimension_count": HEAD,
    "llama.rope.freq_base": 10_000.0,
    "llama.feed_forward_length": UNITS,
    "llama.context_length": 64,
    "llama.attention.layer_norm_rms_epsilon": 2**-17,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": ["a", "b"],
    "tokenizer.ggml.token_type": [1, 1],
    "tokenizer.ggml.merges": [],
    "tokenizer.ggml.bos_token_id": 0,
}


def weights():
    """The rows of each tensor of a net, each in 32-bit floats."""
    chance = random.Random(0)

    def rows(count, length=1):
        return [
            struct.pack(f"<{length}f", *(chance.uniform(-1, 1) for _ in range(length))) for _ in range(count)
        ]

    return {name: rows(*shape) for name, shape in SHAPES.items()}


def gguf_value(value):
    """A value of the metadata: the number of its type, and what is in it."""
    if isinstance(value, list):
        items = [gguf_value(item) for item in value]
        kind = items[0][0] if items else 8
        return 9, struct.pack("<IQ", kind, len(items)) + b"".join(data for _, data in items)
    if isinstance(value, str):
        return 8, struct.pack("<Q", len(value)) + value.encode()
    return (6, struct.pack("<f", value)) if isinstance(value, float) else (4, struct.pack("<I", value))


def gguf_file():
    """The net and vocabulary of `source`, as a GGUF file has them."""
    head, data = b"", b""
    for key, value in GGUF_METADATA.items():
        kind, content = gguf_value(value)
        head += gguf_value(key)[1] + struct.pack("<I", kind) + content
    for name, rows in weights().items():
        if "q_proj" in name or "k_proj" in name:
            # The two rows that a rotation turns are next to each other, instead of half a head apart.
            rows = [rows[i // 2 + i % 2 * HEAD // 2] for i in range(HEAD)]  # noqa: PLW2901
        shape = SHAPES[name]
        head += gguf_value(GGUF_NAMES[name])[1] + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", 0, len(data))
        data += b"".join(rows)
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(SHAPES), len(GGUF_METADATA)) + head
    return head + bytes(-len(head) % 32) + data


@pytest.fixture
def source(tmp_path):
    """A net of one layer, and a vocabulary of two letters."""
    header, data = {}, b""
    for name, rows in weights().items():
        numbers, shape = b"".join(rows), SHAPES[name]
        offsets = [len(data), len(data) + len(numbers)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        data += numbers
    head = json.dumps(header).encode()
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)
    return folder


@pytest.fixture
def letters(tmp_path):
    """A text to fit the priors to."""
    path = tmp_path / "letters"
    path.write_text("abba baba\n" * 2000)
    return path


def program(*arguments):
    ended = subprocess.run(
        [sys.executable, "-m", "czip", "import", *arguments], check=False, capture_output=True
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr.decode()


def test_imported_model(source, tmp_path):
    path = tmp_path / "tiny.czm"
    assert czip.import_model(source, path, name="Tiny", licence="MIT") is None
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["tiny", "tiny.czm"]
    model = czip.Model.open(path)
    assert model.format == "czip-model-v3"
    # The other bytes get tokens, too, and there is a start token.
    assert model.vocab_size >= 256
    text = b"abba, \xe9 baab\n" * 20
    file = czip.compress(text, model=model)
    assert czip.decompress(file, model=model) == text


def test_program_writes_the_same_file(source, letters, tmp_path):
    mine, other = tmp_path / "mine.czm", tmp_path / "other.czm"
    czip.import_model(source, mine)
    report = program(str(source), "-o", str(other))
    assert "1 layer, 16 elements" in report and "licence: not known" in report
    assert mine.read_bytes() == other.read_bytes()

    czip.import_model(
        str(source),
        str(mine),
        overwrite=True,
        window=32,
        sinks=2,
        wide_inputs=["qkv", "head"],
        start_token=1,
        calibrate=[letters],
        sample_len=10_240,
        name="Tiny",
        licence="MIT",
        threads=1,
    )
    options = ["--window", "32", "--sinks", "2", "--wide-inputs", "qkv,head", "--start-token", "1"]
    options += ["--calibrate", str(letters), "--sample", "10K", "--name", "Tiny", "--licence", "MIT"]
    program(str(source), "-f", "-o", str(other), *options)
    assert mine.read_bytes() == other.read_bytes()


def test_gguf_file(source, tmp_path):
    """It makes the net and the tokenizer that the folder makes."""
    gguf, mine, other = tmp_path / "tiny.gguf", tmp_path / "mine.czm", tmp_path / "other.czm"
    gguf.write_bytes(gguf_file())
    czip.import_model(gguf, mine, window=32)
    czip.import_model(source, other, window=32)
    (metadata, tensors), (_, same) = parts(mine), parts(other)
    assert tensors == same
    assert metadata["source.format"] == "GGUF, version 3"
    model = czip.Model.open(mine)
    text = b"abba, \xe9 baab\n" * 20
    assert czip.decompress(czip.compress(text, model=model), model=model) == text
    gguf.write_bytes(gguf_file()[:-1])
    with pytest.raises(czip.MalformedError, match="tensor blk.0.ffn_down.weight: 768 bytes from byte"):
        czip.import_model(gguf, mine, overwrite=True)
    assert parts(mine) == (metadata, tensors)


def parts(path):
    """The metadata of a model, and the bytes of its tensors."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end])["__metadata__"], data[end:]


def test_progress(source, letters, tmp_path):
    seen = []

    def progress(now):
        seen.append((now.stage, now.done, now.total))

    czip.import_model(source, tmp_path / "m.czm", progress=progress)
    stage, done, total = seen[-1]
    assert stage == "weights" and done == total > 1000
    czip.import_model(source, tmp_path / "n.czm", calibrate=[letters], progress=progress)
    stage, done, total = seen[-1]
    assert stage == "priors" and done == total > 10_000


def test_what_progress_raises_ends_all(source, letters, tmp_path):
    letters.write_text("abba baba\n" * 30_000)

    def progress(now):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        czip.import_model(source, tmp_path / "m.czm", calibrate=[letters], progress=progress)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["letters", "tiny"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_signals_are_handled_meanwhile(source, letters, tmp_path):
    """The third one, of a timer's, raises. After the work there would be one at most."""
    letters.write_text("abba baba\n" * 30_000)
    handled = []

    def handler(number, frame):
        handled.append(number)
        if len(handled) == 3:
            raise LookupError("enough")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        with pytest.raises(LookupError, match="enough"):
            czip.import_model(source, tmp_path / "m.czm", calibrate=[letters])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not (tmp_path / "m.czm").exists()


def test_outputs_that_are_in_the_way(source, letters, tmp_path):
    path = tmp_path / "m.czm"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="m.czm"):
        czip.import_model(source, path)
    assert path.read_bytes() == b"precious"
    for name in ("config.json", "model.safetensors"):
        with pytest.raises(ValueError, match="is also an input"):
            czip.import_model(source, source / name, overwrite=True)
    with pytest.raises(ValueError, match="is also an input"):
        czip.import_model(source, letters, calibrate=[tmp_path / "lett*"], overwrite=True)
    assert letters.read_text() == "abba baba\n" * 2000
    with pytest.raises(ValueError, match="is not a file"):
        czip.import_model(source, source, overwrite=True)
    with pytest.raises(FileNotFoundError):
        czip.import_model(source, tmp_path / "missing" / "m.czm")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["letters", "m.czm", "tiny"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of Unix")
def test_outputs_are_like_other_files(source, tmp_path):
    path, link = tmp_path / "m.czm", tmp_path / "link.czm"
    path.write_bytes(b"old")
    link.symlink_to(path)
    czip.import_model(source, link, overwrite=True)
    assert link.is_symlink() and path.read_bytes() == link.read_bytes() != b"old"
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert path.stat().st_mode == ordinary.stat().st_mode


def test_what_cannot_be_imported(source, tmp_path):
    output = tmp_path / "m.czm"
    with pytest.raises(FileNotFoundError) as missing:
        czip.import_model(tmp_path / "missing", output)
    assert missing.value.filename == str(tmp_path / "missing")
    notes = tmp_path / "notes.txt"
    notes.write_text("not a model")
    with pytest.raises(czip.MalformedError, match="neither a GGUF file nor a folder with a config.json"):
        czip.import_model(notes, output)
    (source / "config.json").write_text(json.dumps({**CONFIG, "model_type": "mamba"}))
    with pytest.raises(czip.UnsupportedError, match="architecture mamba is not supported"):
        czip.import_model(source, output)
    (source / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(ValueError, match="option window: 0 is not 1 to 60"):
        czip.import_model(source, output, window=0)
    with pytest.raises(ValueError, match="the names in wide_inputs are qkv, out, gate_up, down and head"):
        czip.import_model(source, output, wide_inputs=["up"])
    with pytest.raises(TypeError):
        czip.import_model(source, output, wide_inputs="down")
    with pytest.raises(ValueError, match="sample_len must be at least 10000"):
        czip.import_model(source, output, sample_len=1)
    with pytest.raises(czip.CzipError, match="missing"):
        czip.import_model(source, output, calibrate=[tmp_path / "missing"])
    (source / "model.safetensors").write_bytes(b"\0" * 8)
    with pytest.raises(czip.MalformedError, match="model.safetensors"):
        czip.import_model(source, output)
    assert not output.exists()
