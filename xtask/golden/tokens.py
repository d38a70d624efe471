#!/usr/bin/env python3
"""Makes tokenizers and texts with the tokens that Hugging Face's `tokenizers` gives them, or compares more texts.

    pip install tokenizers==0.23.3 zstandard==0.25.0
    python3 xtask/golden/tokens.py [--check]
    python3 xtask/golden/tokens.py compare [--texts N] [--model MODEL.czm --gguf MODEL.gguf] FILE...

The first writes `crates/tokenizer/tests/golden`, or with `--check` fails if a file there is not what it would write. There is a
tokenizer for each split pattern of GPT-2, SmolLM, Llama 3 and Qwen2, trained here, and then made harder: ids in no order, with
gaps; merges in another order than the ids, several that make the same token, and tokens that no merge makes.

`compare` has the example `ids` of czip-tokenizer give the tokens of each file and of N generated texts, with these
tokenizers, and of a model that was imported from a GGUF file. Bytes that are no UTF-8 are left out of the files, and for a
model also the characters with bytes that its source has no tokens for, since `tokenizers` would leave these bytes out.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

REPOSITORY = Path(__file__).resolve().parent.parent.parent
GOLDEN = REPOSITORY / "crates/tokenizer/tests/golden"
TEXTS = REPOSITORY / "crates/vectors/data/texts"

# As in docs/spec/tokenizer.md, section 3: what our side gets.
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
SMOLLM = r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=use_regex)


def split(pattern):
    parts = [pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(False)]
    return pre_tokenizers.Sequence(parts)


# The pattern here, and what it is there.
SPLITS = {
    "gpt2": (GPT2, lambda: byte_level(True)),
    "smollm": (SMOLLM, lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)])),
    "llama3": (LLAMA3, lambda: split(LLAMA3)),
    "qwen2": (QWEN2, lambda: split(QWEN2)),
}

# What texts are made of: places at which rules turn, and words of several scripts.
FRAGMENTS = """
the The THE and other there another weather whether brother together gathering information international tokenization
compression predictions unbelievable straightforward e a I O don can won isn they we you she LET HASN
'll 'LL 'Ll 've 'VE 're 'RE 's 'S 't 'T 'd 'D 'm 'M 'x '' ' ’s ’ 'ſ 'lſ ſ K ﬆ 'ﬆ ß ẞ İ ı
0 1 2 7 42 99 100 365 1024 1999 2026 65536 3.14 1,000 1e9 0x7f v2.0 ٣ ٠١٢ ४२ ½ ² ³ Ⅷ ① 〇 十 𝟘 🄂 ௰
. , ; : ! ? ... -- — – ( ) [ ] { } <> == != => += && || // /* */ # @ $ € % ^ ~ ` " “ ” « » · • … _ __ \\ \\n + - *
fn let mut return import def class self.value println! std::fmt <div> </div> http://example.org/a?b=c&d=1 {"key": null}
naïve café Zürich Ångström śćżł Ελληνικά Кириллица текст שָׁלוֹם العربية हिन्दी ไทย ภาษา བོད 日本語 東京都 これは テスト ｶﾀｶﾅ 中文分词
한국어 한글 ወደ ᏣᎳᎩ 𐐀𐐨 𝒳 Å ﬁ ŉ ǆ 🙂 👩‍👩‍👧 👍🏽 🇯🇵 ❤️ ☃ ♞ → ∑ √ ∞
<|endoftext|> <|im_start|> [INST] <s> </s>
""".split()
FRAGMENTS += [" " + word for word in "the a of to in is was 1 12 345 ' 's ( . é 日本 ٣ 🙂 x y".split()]
FRAGMENTS += [" ", "  ", "   ", "    ", "        ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r\n\r\n", "\r", " \n", "\n ", "\n  ", "  \n  "]
FRAGMENTS += list("\u00a0\u0085\u1680\u2003\u2028\u2029\u202f\u3000\v\f\x1c\x1f\0\x07\x7f\u00ad\u180e\u200b\u200d\u2060\ufeff")
FRAGMENTS += list("\u212a\u212b\u0300\u0301\u0327\u0338\u05b7\u094d\u0e49\u20dd\ufe0f\u302a\u1100\u1161\u11a8\U000e0001\ue000\ufffd\ufdd0\U0010ffff")

PRIME = 0x100000001B3


def numbers(seed):
    """Numbers from a seed: xorshift (Marsaglia, 2003)."""
    state = (seed * 0x9E3779B97F4A7C15 | 1) % 2**64
    while True:
        state ^= state << 13 & 2**64 - 1
        state ^= state >> 7
        state ^= state << 17 & 2**64 - 1
        yield state >> 33


def generated(seed):
    number = numbers(seed)
    return "".join(FRAGMENTS[next(number) % len(FRAGMENTS)] for _ in range(400))


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for byte in b"".join(struct.pack("<I", i) for i in ids):
        value = (value ^ byte) * PRIME % 2**64
    return f"{value:016x}"


def byte_of_character():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


BYTES = byte_of_character()
SPELLINGS = {byte: character for character, byte in BYTES.items()}


class Vocabulary:
    """A tokenizer: ids by spelling, and pairs of spellings."""

    def __init__(self, split, ids, merges, ignore_merges=None):
        self.split, self.ids, self.merges, self.ignore_merges = split, ids, merges, ignore_merges

    def theirs(self):
        bpe = models.BPE(vocab=self.ids, merges=self.merges, ignore_merges=bool(self.ignore_merges))
        tokenizer = Tokenizer(bpe)
        tokenizer.pre_tokenizer = SPLITS[self.split][1]()
        return tokenizer

    def ours(self):
        """The JSON of docs/spec/tokenizer.md."""
        key = lambda spelling: "".join(chr(BYTES[character]) for character in spelling)
        in_order = sorted(self.ids.items(), key=lambda entry: entry[1])
        # The literal is a token that is never made from text.
        special = next(i for i in range(len(self.ids) + 1) if i not in self.ids.values())
        parts = {
            "name": self.split,
            "pat_str": SPLITS[self.split][0],
            "mergeable_ranks": {key(spelling): i for spelling, i in in_order},
            "special_tokens": {"<|endoftext|>": special},
            "merges": [self.ids[side] for merge in self.merges for side in merge],
        }
        if self.ignore_merges is not None:
            parts["ignore_merges"] = self.ignore_merges
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":")) + "\n"


def trained(split):
    """Spellings of tokens and merges, in the order in which they are made."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = SPLITS[split][1]()
    alphabet = sorted(SPELLINGS.values())
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False, special_tokens=[])
    texts = [path.read_bytes().decode(errors="ignore") for path in sorted(TEXTS.iterdir())]
    tokenizer.train_from_iterator(texts + [generated(seed) for seed in range(1000, 1100)], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
    return tokens, merges


def vocabulary(split):
    tokens, merges = trained(split)
    chance = random.Random(split)
    shuffled = dict(zip(tokens, chance.sample(range(len(tokens) + 100), len(tokens))))
    if split == "gpt2":
        return Vocabulary(split, {token: i for i, token in enumerate(tokens)}, merges)
    if split == "smollm":
        return Vocabulary(split, shuffled, merges)
    if split == "qwen2":
        return Vocabulary(split, shuffled, chance.sample(merges, len(merges)), False)
    # As where a tokenizer of tiktoken became one of `tokenizers`: all pairs that make a token, in the order of these.
    ranks = {token: i for i, token in enumerate(tokens)}
    pairs = []
    for token in tokens:
        ways = [(token[:at], token[at:]) for at in range(1, len(token))]
        ways = [way for way in ways if way[0] in ranks and way[1] in ranks]
        pairs += sorted(ways, key=lambda way: (ranks[way[0]], ranks[way[1]]))
    kept = [pair for pair in pairs if chance.random() < 0.9]
    return Vocabulary(split, shuffled, kept, True)


def encode(theirs, text):
    return theirs.encode(text, add_special_tokens=False).ids


SPELLED = [
    "",
    "The weather isn't\n\n  what it was in 1999: 3.14 degrees, they'LL say.",
    "naïve cafe\u0301, 日本語 ٣½ \u00a0\u3000x\r\n\t\ty <|endoftext|>",
    "    if other == 65536 {  \r\n        return None;  // don't\n    }\n\n\n",
    " \u0301'ſ'S's12345 \u2028 \n \n   1  ",
]


def golden():
    files = {}
    expected = {"fragments": FRAGMENTS, "spelled": SPELLED, "tokenizers": {}}
    for split in SPLITS:
        made = vocabulary(split)
        files[f"{split}.json"] = made.ours()
        theirs = made.theirs()
        expected["tokenizers"][split] = {
            "spelled": [encode(theirs, text) for text in SPELLED],
            "hashes": [fnv1a(encode(theirs, generated(seed))) for seed in range(60)],
        }
    files["tokens.json"] = compact(expected)
    return files


def compact(value, indent=0):
    """JSON in which what has no further structure is on one line."""
    flat = lambda value: not any(isinstance(part, (list, dict)) for part in value)
    if not isinstance(value, (list, dict)) or (isinstance(value, list) and flat(value)):
        return json.dumps(value, ensure_ascii=True)
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts, ends = [f"{json.dumps(key)}: {compact(part, indent + 1)}" for key, part in value.items()], "{}"
    else:
        parts, ends = [compact(part, indent + 1) for part in value], "[]"
    return ends[0] + "\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + ends[1]


def write(check):
    stale = []
    for name, text in golden().items():
        text = text.rstrip("\n") + "\n"
        path = GOLDEN / name
        if check and (not path.exists() or path.read_bytes() != text.encode()):
            stale.append(name)
        elif not check:
            path.write_bytes(text.encode())
    if stale:
        sys.exit(f"not what the script makes: {', '.join(stale)}")


def read_gguf(path):
    """The metadata of a GGUF file."""
    formats = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
    with open(path, "rb") as file:

        def number(form):
            return struct.unpack(form, file.read(struct.calcsize(form)))[0]

        def value(kind):
            if kind == 8:
                return file.read(number("<Q")).decode()
            if kind == 9:
                kind, count = number("<I"), number("<Q")
                return [value(kind) for _ in range(count)]
            return number(formats[kind])

        assert file.read(4) == b"GGUF"
        number("<I"), number("<Q")
        keys = {}
        for _ in range(number("<Q")):
            key = value(8)
            keys[key] = value(number("<I"))
        return keys


def of_gguf(path):
    keys = {key.removeprefix("tokenizer.ggml."): value for key, value in read_gguf(path).items()}
    pre = keys["pre"]
    names = {"gpt-2": "gpt2", "smollm": "smollm", "qwen2": "qwen2", "llama-bpe": "llama3"}
    ids = {token: i for i, token in enumerate(keys["tokens"]) if keys["token_type"][i] == 1}
    return Vocabulary(names[pre], ids, [tuple(merge.split(" ")) for merge in keys["merges"]], pre == "llama-bpe")


def tokenizer_of_model(path):
    import zstandard

    data = Path(path).read_bytes()
    header_len = struct.unpack("<Q", data[:8])[0]
    start, end = json.loads(data[8 : 8 + header_len])["tokenizer.data"]["data_offsets"]
    stored = data[8 + header_len + start : 8 + header_len + end]
    return zstandard.ZstdDecompressor().decompressobj().decompress(stored).decode()


def compare(arguments):
    texts = {path: Path(path).read_bytes().decode(errors="ignore") for path in arguments.files}
    several = {seed: generated(seed) for seed in range(2000, 2000 + arguments.texts)}
    texts["generated"] = "\n".join(several.values())
    pairs = {split: (made.theirs(), made.ours(), set()) for split in SPLITS for made in [vocabulary(split)]}
    if arguments.model:
        source = of_gguf(arguments.gguf)
        missing = {byte for byte in range(256) if SPELLINGS[byte] not in source.ids}
        pairs[arguments.model] = (source.theirs(), tokenizer_of_model(arguments.model), missing)
    build = ["cargo", "build", "--quiet", "--release", "--package", "czip-tokenizer", "--example", "ids"]
    subprocess.run(build, check=True, cwd=REPOSITORY)
    program = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release/examples/ids"
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(folder) / "tokenizer.json"
        for name, (theirs, ours, missing) in pairs.items():
            tokenizer.write_bytes(ours.encode())
            count, lost = [0, 0], 0
            for title, text in texts.items():
                kept = "".join(character for character in text if missing.isdisjoint(character.encode()))
                lost += len(text) - len(kept)
                made = subprocess.run([program, tokenizer], input=kept.encode(), capture_output=True, check=True)
                found, wanted = list(map(int, made.stdout.split())), encode(theirs, kept)
                count = [count[0] + len(kept.encode()), count[1] + len(wanted)]
                if found != wanted:
                    at = next((i for i, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]), "the end")
                    print(f"{name}: {title} differs from token {at} on: {found[at:][:8]}, not {wanted[at:][:8]}")
                    failed = True
            print(f"{name}: {count[0]} bytes, {count[1]} tokens, {lost} characters left out", flush=True)
    if failed:
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    commands = parser.add_subparsers(dest="command")
    of_compare = commands.add_parser("compare")
    of_compare.add_argument("--texts", type=int, default=1000)
    of_compare.add_argument("--model")
    of_compare.add_argument("--gguf")
    of_compare.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    if arguments.command == "compare":
        compare(arguments)
    else:
        write(arguments.check)


if __name__ == "__main__":
    main()
