"""The texts that are measured, from a folder of benchmark texts and one of training texts.

The folder of benchmark texts has `wiki/*.txt`, `canterbury/*`, `calgary/*`, `other/*.json` and `domains/NAME/heldout.*`; what
it lacks is left out. That of training texts has `wikipedia.txt.xz` and `domains/NAME.*.xz`, of which nothing is measured but a
part of the encyclopedia that no shipped model was trained on: see `xtask/training/src/mixture.rs`.
"""

from __future__ import annotations

import hashlib
import lzma
from dataclasses import dataclass, field
from pathlib import Path

# The mixture that the shipped models are trained on takes nothing from here on.
MIXTURE_READS = 300_000_000
LARGE = 10_000_000

# What the table in the README is about.
ARTICLE = 15_000
ARTICLES_FIRST = ("Albert_Einstein.txt", "Python_(programming_language).txt")
ARTICLES = 5

NOVEL = "alice29.txt"

# The lengths of prefixes: of five articles each, and of all articles joined.
SHORT_LENGTHS = (1_000, 2_000, 4_000, 8_000)
LONG_LENGTHS = (32_000, 64_000, 128_000, 256_000, 512_000, 1_000_000)

# Many small texts: pieces of this many bytes of the first so many of a text.
PIECE = 2_000
PIECES_OF = 300_000
SMALL_DOMAINS = ("chat_sgd", "json_pokeapi", "logs")
# How much text a dictionary is trained on.
DICTIONARY_OF = 10_000_000

LADDER = 1_000_000

DOMAINS = {
    "chat_sgd": "dialogues",
    "code_rust": "code (Rust)",
    "json_movies": "JSON, films",
    "json_pokeapi": "JSON, PokéAPI",
    "lang_japanese_aozora": "Japanese novels",
    "logs": "logs",
}


@dataclass
class TextSet:
    """Texts that are compressed by themselves, and measured together."""

    name: str
    texts: list[bytes]
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(len(text).to_bytes(8, "little"))
            digest.update(text)
        self.digest = digest.hexdigest()

    @property
    def bytes(self) -> int:
        return sum(len(text) for text in self.texts)


def cut(text: bytes, length: int) -> bytes:
    """The first bytes of a text, but no part of a character."""
    end = min(length, len(text))
    while end > 0 and end < len(text) and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end]


def pieces(text: bytes, length: int) -> list[bytes]:
    """The lines of a text, put together to pieces of about this length. Long lines are cut."""
    found, piece = [], b""
    for line in text.splitlines(keepends=True):
        rest = line
        while rest:
            head = cut(rest, max(length - len(piece), 1) + 3)
            piece += head
            rest = rest[len(head) :]
            if len(piece) >= length:
                found.append(piece)
                piece = b""
    if piece:
        found.append(piece)
    return found


def files(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern)) if path.is_file()}


class Corpora:
    """Everything that is measured."""

    def __init__(self, folder: Path, training: Path, cache: Path, wikipedia: Path | None) -> None:
        self.training = training
        self.articles = files(folder / "wiki", "*.txt")
        self.canterbury = files(folder / "canterbury")
        self.calgary = files(folder / "calgary")
        self.json = files(folder / "other", "*.json")
        self.domains = {name: text for name in DOMAINS for text in files(folder / "domains" / name, "heldout.*").values()}
        self.large = self._large(cache, wikipedia)

    def _large(self, cache: Path, wikipedia: Path | None) -> bytes:
        if wikipedia is not None:
            with wikipedia.open("rb") as file:
                return cut(file.read(LARGE + 4), LARGE)
        kept = cache / "wikipedia.txt"
        source = self.training / "wikipedia.txt.xz"
        if not kept.exists() and source.exists():
            with lzma.open(source) as file:
                file.seek(MIXTURE_READS)
                text = file.read(LARGE + 10_000)
            # From the start of a line.
            text = text[text.index(b"\n") + 1 :]
            kept.write_bytes(cut(text, LARGE))
        return kept.read_bytes() if kept.exists() else b""

    def training_text(self, name: str, length: int) -> bytes:
        """The start of the training text of a domain, or of encyclopedia articles."""
        stem = "wikipedia" if name == "articles" else f"domains/{name}"
        for path in sorted(self.training.glob(f"{stem}.*.xz")):
            with lzma.open(path) as file:
                text = file.read(length)
            return text[: text.rindex(b"\n") + 1]
        return b""

    @property
    def joined(self) -> bytes:
        return b"".join(self.articles.values())

    def five_names(self) -> list[str]:
        """The articles of the first table: two that are cut already, and the first others that are long enough."""
        first = [name for name in ARTICLES_FIRST if name in self.articles]
        others = [name for name, text in self.articles.items() if len(text) >= ARTICLE and name not in first]
        return [*first, *others][:ARTICLES]

    def five_articles(self) -> TextSet:
        return TextSet("five articles", [cut(self.articles[name], ARTICLE) for name in self.five_names()])

    def novel(self) -> TextSet:
        return TextSet("a novel", [text for name, text in self.canterbury.items() if name == NOVEL])

    def corpora(self) -> list[TextSet]:
        """The rows of the table of sizes."""
        sets = [
            TextSet("encyclopedia articles", list(self.articles.values())),
            TextSet("Canterbury corpus", list(self.canterbury.values())),
            TextSet("Calgary corpus", list(self.calgary.values())),
            *(TextSet(DOMAINS[name], [text]) for name, text in self.domains.items()),
            TextSet("JSON, two files", list(self.json.values())),
        ]
        return [texts for texts in sets if texts.texts]

    def large_set(self) -> TextSet | None:
        return TextSet("10 MB of Wikipedia", [self.large]) if self.large else None

    def ladder(self) -> list[TextSet]:
        """What all levels are measured on: one text each."""
        sets = [TextSet("articles, joined", [cut(self.joined, LADDER)])] if self.articles else []
        for name in ("code_rust", "logs"):
            if name in self.domains:
                sets.append(TextSet(DOMAINS[name], [cut(self.domains[name], LADDER)]))
        return sets

    def lengths(self) -> list[tuple[int, TextSet]]:
        """Prefixes: of five articles up to 15,000 bytes, and of all articles joined from there on."""
        five = self.five_articles().texts
        joined = self.joined
        sets = [(length, [cut(text, length) for text in five]) for length in SHORT_LENGTHS]
        sets.append((ARTICLE, five))
        sets += [(length, [cut(joined, length)]) for length in LONG_LENGTHS if length <= len(joined)]
        return [(length, TextSet(f"articles, {length:,} bytes", texts)) for length, texts in sets if texts]

    def small(self) -> list[tuple[str, TextSet]]:
        """Many small texts of one kind, and the name of the training text of that kind."""
        kinds = {"articles": self.joined, **{name: self.domains.get(name, b"") for name in SMALL_DOMAINS}}
        return [
            (name, TextSet(f"{DOMAINS.get(name, name)}, in pieces", pieces(cut(text, PIECES_OF), PIECE)))
            for name, text in kinds.items()
            if text
        ]
