"""The page: tables of what was measured, in Markdown."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import published
from codecs_compared import BROTLI, GZIP, PACKAGES, XZ, ZSTD, Codec
from texts import ARTICLE, DOMAINS, LARGE, MIXTURE_READS, PIECE, Corpora, TextSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from measure import Cost, Measurement, Results

# Prose is wrapped as in the other documents.
WIDTH = 126

# A process takes some milliseconds to start, and processor time is counted in steps; below this a speed says little.
SHORTEST_S = 0.01


@dataclass
class Page:
    """What the page is made of."""

    machine: str
    command: str
    czip_version: str
    corpora: Corpora
    results: Results
    peers: list[Codec]
    levels: dict[int, Codec]
    without_model: Codec
    imported: Codec | None
    all_threads: dict[int, Codec]
    dictionaries: dict[str, Codec]
    # Bytes of the built-in models, by level.
    model_bytes: dict[int, int]
    # Of models trained for the page: bytes of training text, measurement with the model, with a dictionary of the same text.
    own_models: list[tuple[int, Codec, Codec]] = field(default_factory=list)
    own_texts: TextSet | None = None
    training_minutes: str = ""

    def got(self, codec: Codec | None, texts: TextSet | None) -> Measurement | None:
        return self.results.get(codec, texts) if codec is not None and texts is not None else None

    def peer(self, name: str) -> list[Codec]:
        """The program of this name, if it is installed."""
        return [codec for codec in self.peers if codec.name == name]

    @property
    def codecs(self) -> list[Codec]:
        """The rows of most tables."""
        own = [self.levels[9], self.levels[5], self.levels[4], self.levels[1], self.without_model]
        return [*([self.imported] if self.imported else []), *own, *reversed(self.peers)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three significant digits, or all of a large number."""
    if value >= 100:
        return f"{value:,.0f}"
    digits = 1 if value >= 10 else 2 if value >= 1 else 3 if value >= 0.1 else 4
    return f"{value:.{digits}f}"


def speed(length: int, seconds: float) -> str:
    """MB/s."""
    if seconds < SHORTEST_S:
        return f"> {float(f'{length / SHORTEST_S / 1e6:.1g}'):,g}"
    return number(length / seconds / 1e6)


def share(measurement: Measurement | None) -> str:
    return f"{measurement.packed:,}" if measurement else ""


def speeds(measurement: Measurement) -> tuple[str, str]:
    return (
        speed(measurement.text, measurement.encode.processor_s),
        speed(measurement.text, measurement.decode.processor_s),
    )


def break_even(model_bytes: int, ours: Measurement, theirs: Measurement) -> str:
    """From how many bytes of text on files and model together are smaller than the other's files."""
    gain = theirs.packed / theirs.text - ours.packed / ours.text
    if gain <= 0:
        return "never"
    length = model_bytes / gain
    return f"{length / 1e6:.3g} MB" if length >= 1e6 else f"{length / 1e3:.3g} KB"


def dominated(levels: dict[int, Measurement]) -> dict[int, list[int]]:
    """Levels with those that dominate them: they make smaller files in less time, both directions together."""

    def seconds(cost: Measurement) -> float:
        return cost.encode.processor_s + cost.decode.processor_s

    return {
        level: [
            other for other, its in levels.items() if its.packed < own.packed and seconds(its) < seconds(own)
        ]
        for level, own in levels.items()
    }


def compared_codecs(page: Page) -> list[tuple[str, Codec]]:
    named = [("czip", page.levels[5])]
    if page.imported:
        named.append(("czip with an imported model", page.imported))
    others = (("brotli -q 11", BROTLI), ("zstd -22", ZSTD), ("gzip -9", GZIP))
    return [*named, *((name, codec) for name, peer in others for codec in page.peer(peer))]


def in_short(page: Page) -> str:
    rows = []
    for name, codec in compared_codecs(page):
        row = [name]
        for texts in (page.corpora.five_articles(), page.corpora.novel()):
            found = page.got(codec, texts)
            row += [f"{found.packed:,}", f"{found.ratio:.2f}", *speeds(found)] if found else [""] * 4
        rows.append(row)
    five, novel = page.corpora.five_articles(), page.corpora.novel()
    return (
        f"Five encyclopedia articles of {ARTICLE:,} bytes, each a file of its own ({five.bytes:,} bytes in all), and a novel, "
        f"alice29.txt ({novel.bytes:,} bytes). Ratio is that of text to file; MB/s are of processor time, one thread, reading "
        "the model included.\n\n"
        + table(
            ["", "articles, bytes", "ratio", "encode, MB/s", "decode, MB/s", "novel, bytes", "ratio", "encode", "decode"],
            rows,
        )
    )


def sizes(page: Page) -> str:
    sets = page.corpora.corpora()
    large = page.corpora.large_set()
    rows = [["bytes of text", *(f"{texts.bytes:,}" for texts in sets)]]
    for codec in page.codecs:
        row = [share(page.got(codec, texts)) for texts in sets]
        if any(row):
            rows.append([codec.name, *row])
    page_text = table(["", *(texts.name for texts in sets)], rows)
    if large is not None:
        head = ["", "bytes", "ratio", "bits/byte", "encode, MB/s", "decode, MB/s", "peak MB"]
        rows = [
            [
                codec.name,
                f"{found.packed:,}",
                f"{found.ratio:.2f}",
                f"{found.bits_per_byte:.3f}",
                *speeds(found),
                f"{found.peak_mb:.0f}",
            ]
            for codec in page.codecs
            if (found := page.got(codec, large))
        ]
        page_text += f"\n### {large.bytes:,} bytes of Wikipedia\n\nOne text, one thread.\n\n" + table(head, rows)
    return page_text


def with_published(page: Page) -> str:
    by_file: dict[str, tuple[int, int]] = {}
    named = [("Canterbury corpus", page.corpora.canterbury), ("Calgary corpus", page.corpora.calgary)]
    for set_name, texts in named:
        found_set = next((found for found in page.corpora.corpora() if found.name == set_name), None)
        found = page.got(page.levels[9], found_set)
        if found:
            for name, length, packed in zip(texts, found.text_bytes, found.packed_bytes):
                by_file[name] = (length, packed)
    rows = []

    def add(what: str, names: Sequence[str], values: tuple[int, ...]) -> None:
        known = [by_file[name] for name in names if name in by_file]
        # Another file of this name is not what the others measured.
        if sum(length for length, _ in known) == values[0]:
            packed = sum(length for _, length in known)
            rows.append([what, f"{values[0]:,}", f"{packed:,}", *(f"{value:,}" for value in values[1:])])

    for name, values in published.FILES.items():
        add(name, [name], values)
    add("Canterbury, 11 files", list(page.corpora.canterbury), published.CANTERBURY)
    calgary = [name for name in page.corpora.calgary if name not in published.NOT_IN_CALGARY_14]
    add("Calgary, 14 files", calgary, published.CALGARY_14)
    return (
        "These two learn as they code, with hundreds of models, and take gigabytes of memory. Their figures are as published, "
        "not measured here.\n\n"
        f"* paq8px 210: {published.PAQ8PX}. It took 256 s for the Canterbury corpus with -8, which is 0.011 MB/s, and 707 s, "
        "0.004 MB/s, with -12L.\n"
        f"* cmix 21, with its dictionary: {published.CMIX}. 0.0016 MB/s and 31 GB: {published.LTCB}.\n\n"
        + table(["file", "bytes", "czip -L 9", "paq8px -8", "paq8px -12L", "cmix"], rows)
    )


def speed_and_memory(page: Page) -> str:
    texts = page.corpora.ladder()[0]
    rows = []
    codecs = [*([page.imported] if page.imported else []), *reversed(page.levels.values()), page.without_model]
    for codec in [*codecs, *reversed(page.peers)]:
        found = page.got(codec, texts)
        if found:
            rows.append(
                [
                    codec.name,
                    f"{found.packed:,}",
                    f"{found.ratio:.2f}",
                    *speeds(found),
                    f"{found.encode.peak_kib * 1024 / 1e6:.0f}",
                    f"{found.decode.peak_kib * 1024 / 1e6:.0f}",
                ]
            )
    head = ["", "bytes", "ratio", "encode, MB/s", "decode, MB/s", "peak MB, encode", "decode"]
    text = (
        f"The first {texts.bytes:,} bytes of the encyclopedia articles, joined to one text, one thread; MB/s of processor "
        "time.\n\n" + table(head, rows)
    )
    text += (
        "\n![Ratio against the speed of encoding](benchmarks/ratio-encode.svg)\n"
        "\n![Ratio against the speed of decoding](benchmarks/ratio-decode.svg)\n"
    )
    articles = next((found for found in page.corpora.corpora() if found.name == "encyclopedia articles"), None)
    rows = []
    for level, codec in page.all_threads.items():
        many, one = page.got(codec, articles), page.got(page.levels[level], articles)
        if many and one:

            def wall(cost: Cost, length: int = many.text) -> str:
                return speed(length, cost.wall_s)

            rows.append(
                [
                    f"czip -L {level}",
                    wall(one.encode),
                    wall(many.encode),
                    wall(one.decode),
                    wall(many.decode),
                    f"{one.peak_mb:.0f}",
                    f"{many.peak_mb:.0f}",
                ]
            )
    if rows:
        head = ["", "encode, one thread", "all threads", "decode, one thread", "all threads", "peak MB, one", "all"]
        text += (
            f"\nThe {len(articles.texts)} articles as files, MB/s by the clock on the wall, which other programs on the machine "
            "slow down:\n\n" + table(head, rows)
        )
    return text


def ladder(page: Page) -> tuple[str, list[str]]:
    """The table of levels, and one line for each level that is dominated."""
    sets = page.corpora.ladder()
    measured = [{level: found for level, codec in page.levels.items() if (found := page.got(codec, texts))} for texts in sets]
    worse = [dominated(levels) for levels in measured]
    rows, remarks = [], []
    for level in page.levels:
        row = [str(level)]
        for texts, levels, by in zip(sets, measured, worse):
            found = levels.get(level)
            if found is None:
                row += [""] * 3
                continue
            mark = " (dominated)" if by[level] else ""
            row += [f"{found.packed:,}{mark}", *speeds(found)]
            if by[level]:
                others = ", ".join(map(str, by[level]))
                remarks.append(f"level {level} is dominated by {others} on {texts.name}")
        rows.append(row)
    head = ["level"]
    for texts in sets:
        head += [f"{texts.name}, bytes", "encode, MB/s", "decode, MB/s"]
    text = ", ".join(f"{texts.bytes:,} bytes of {texts.name}" for texts in sets)
    verdict = (
        "No level is."
        if not remarks
        else "Marked levels are, on that text."
    )
    return (
        f"{text}; one text each, one thread. Levels 5 to 9 differ in the length of segments, from 1 to 16 MiB, so on these texts "
        "only in the noise of time. A level is dominated if another makes a smaller file in less time, both directions "
        f"together. {verdict}\n\n" + table(head, rows),
        remarks,
    )


def length_codecs(page: Page) -> list[tuple[str, str, Codec]]:
    """Heading, family of the curve, codec."""
    found = [("czip -L 5", "czip", page.levels[5])]
    if page.imported:
        found.append(("imported model", "czip, imported model", page.imported))
    found.append(("czip -m none", "czip, no model", page.without_model))
    if "articles" in page.dictionaries:
        found.append(("zstd, dictionary", "zstd, dictionary", page.dictionaries["articles"]))
    others = (("brotli", "brotli", BROTLI), ("zstd -22", "zstd", ZSTD), ("xz", "xz", XZ))
    return [*found, *((heading, family, codec) for heading, family, peer in others for codec in page.peer(peer))]


def by_length(page: Page) -> str:
    codecs = length_codecs(page)
    rows = []
    for length, texts in page.corpora.lengths():
        cells = [page.got(codec, texts) for _, _, codec in codecs]
        rows.append([f"{length:,}", *(f"{found.bits_per_byte:.3f}" if found else "" for found in cells)])
    return (
        f"Bits per byte of the first so many bytes of encyclopedia articles: up to {ARTICLE:,} bytes the mean of five articles, "
        "from there on one text of articles that are joined. The dictionary was trained on 10 MB of other articles, and is not "
        "counted, as models are not.\n\n"
        + table(["bytes", *(heading for heading, _, _ in codecs)], rows)
        + "\n![Bits per byte by length of text](benchmarks/length.svg)\n"
    )


def small_codecs(page: Page) -> list[Codec]:
    peers = (codec for name in (BROTLI, ZSTD, XZ) for codec in page.peer(name))
    return [page.levels[5], page.levels[4], page.levels[1], *peers]


def small_texts(page: Page) -> str:
    named = page.corpora.small()
    rows = [
        ["texts", *(f"{len(texts.texts):,}" for _, texts in named)],
        ["bytes of text", *(f"{texts.bytes:,}" for _, texts in named)],
    ]
    rows += [[codec.name, *(share(page.got(codec, texts)) for _, texts in named)] for codec in small_codecs(page)]
    dictionary = [share(page.got(page.dictionaries.get(name), texts)) for name, texts in named]
    rows.append(["zstd -19 with a dictionary", *dictionary])
    return (
        f"Pieces of about {PIECE:,} bytes, each a file of its own; the sum of all files, without dictionary or model. Each "
        "dictionary has 112,640 bytes and was trained on up to 10 MB of text of the same kind, cut in the same way: it knows "
        "this kind of text, as the built-in models do not.\n\n" + table(["", *(texts.name for _, texts in named)], rows)
    )


def pays(page: Page) -> str:
    others = (("brotli", BROTLI), ("xz", XZ), ("zstd", ZSTD))
    rivals = [(name, codec) for name, peer in others for codec in page.peer(peer)]
    head = ["text"]
    for level in (5, 4):
        head += [f"-L {level} against {name}" for name, _ in rivals]
    rows = []
    large = page.corpora.large_set()
    named_sets = [page.corpora.five_articles(), *page.corpora.corpora(), *(texts for _, texts in page.corpora.small())]
    for texts in [*named_sets, *([large] if large else [])]:
        row = [texts.name]
        for level in (5, 4):
            ours = page.got(page.levels[level], texts)
            for _, rival in rivals:
                theirs = page.got(rival, texts)
                known = ours is not None and theirs is not None
                row.append(break_even(page.model_bytes[level], ours, theirs) if known else "")
        if any(row[1:]):
            rows.append(row)
    sizes_said = f"{page.model_bytes[5]:,} bytes for level 5, {page.model_bytes[4]:,} for level 4"
    return (
        "The model is part of the program, as brotli's dictionary is part of brotli. But if it has to be sent along with the "
        f"files ({sizes_said}), they win from so much text of this kind on, which is the model's size divided by what is saved "
        "for each byte:\n\n" + table(head, rows) + "\nWithout a model (`-m none`) there is nothing to send.\n"
    )


def own_models(page: Page) -> str:
    if not page.own_models or page.own_texts is None:
        return (
            "[training.md](training.md#models-of-your-own-text) has what was measured: models of 12 MB of text of six kinds make "
            "files 10 to 42 % smaller than the built-in one.\n"
        )
    texts = page.own_texts
    rows = []
    for length, model, dictionary in page.own_models:
        ours, theirs = page.got(model, texts), page.got(dictionary, texts)
        if ours and theirs:
            brotli = [page.got(codec, texts) for codec in page.peer(BROTLI)]
            pays_from = "".join(break_even(model.model_bytes, ours, found) for found in brotli if found)
            rows.append([f"{length:,}", f"{ours.packed:,}", f"{model.model_bytes:,}", pays_from, f"{theirs.packed:,}"])
    compared = [
        f"{codec.name} takes {share(page.got(codec, texts))}" for codec in (page.levels[5], *page.peer(BROTLI), *page.peer(XZ))
    ]
    head = ["bytes of training text", "own model, -L 5", "bytes of the model", "pays against brotli from", "zstd, dictionary"]
    return (
        f"{texts.name[0].upper()}{texts.name[1:]} ({texts.bytes:,} bytes, as above), compressed with models of the preset "
        "`fast` that were trained on so much other text of this kind, and with zstd's dictionaries of the same text. Without: "
        f"{'; '.join(compared)}. {page.training_minutes}\n\n"
        + table(head, rows)
        + "\n![Size by amount of training text](benchmarks/own-models.svg)\n\n"
        "[training.md](training.md#models-of-your-own-text) has longer trainings on 12 MB of text of six kinds.\n"
    )


def neural(page: Page) -> str:
    head = ["", "model", "alice29", "book1", "enwik8", "speed", "opens on other machines", "checksum", "format"]
    calgary = next((found for found in page.corpora.corpora() if found.name == "Calgary corpus"), None)
    novel = page.corpora.novel()

    def book(codec: Codec | None) -> str:
        found = page.got(codec, calgary)
        if not found or "book1" not in page.corpora.calgary:
            return ""
        at = list(page.corpora.calgary).index("book1")
        return f"{8 * found.packed_bytes[at] / found.text_bytes[at]:.3f}"

    rows = []
    promise = "yes: integers; tested on x86-64, and in emulators on 64-bit ARM and s390x"
    stable = "readable for ever from the first release on"
    for name, codec in (("built-in `standard`, 4 MB", page.levels[5]), ("imported", page.imported)):
        found = page.got(codec, novel)
        if found:
            both = " and ".join(speeds(found))
            rows.append(
                [
                    "czip -L 5",
                    name if codec is not page.imported else f"imported, {codec.model_bytes / 1e6:.0f} MB",
                    f"{found.bits_per_byte:.3f}",
                    book(codec),
                    "",
                    f"{both} MB/s, encode and decode, one core of the machine above",
                    promise,
                    "64 bits for each segment",
                    stable,
                ]
            )
    sources = []
    for *cells, source in published.NEURAL:
        if source not in sources:
            sources.append(source)
        rows.append([f"{cells[0]} [{sources.index(source) + 1}]", *cells[1:]])
    listed = "\n".join(f"{place}. {source}" for place, source in enumerate(sources, 1))
    return (
        "Bits per byte. czip as measured here; all others as published, on other machines.\n\n"
        + table(head, rows)
        + f"\n{published.CAUTION}\n\nSources:\n\n{listed}\n"
    )


def described(page: Page) -> str:
    corpora = page.corpora
    titles = ", ".join(name.removesuffix(".txt").replace("_", " ") for name in corpora.articles)
    five = ", ".join(name.removesuffix(".txt").replace("_", " ") for name in corpora.five_names())
    canterbury = "<https://corpus.canterbury.ac.nz/descriptions/#cantrbry>"
    calgary = "<https://corpus.canterbury.ac.nz/descriptions/#calgary>, all 18 files"
    sources: dict[str, str] = {
        "encyclopedia articles": "English Wikipedia, CC BY-SA; see below",
        "Canterbury corpus": canterbury,
        "Calgary corpus": calgary,
        DOMAINS["chat_sgd"]: "<https://github.com/google-research-datasets/dstc8-schema-guided-dialogue>, CC BY-SA 4.0",
        DOMAINS["code_rust"]: "public repositories, MIT or Apache-2.0",
        DOMAINS["json_movies"]: "records of films, with prose from Wikipedia",
        DOMAINS["json_pokeapi"]: "<https://github.com/PokeAPI/api-data>, BSD-3",
        DOMAINS["lang_japanese_aozora"]: "<https://www.aozora.gr.jp>, public domain in Japan",
        DOMAINS["logs"]: "system logs of many kinds; partly for research only",
        "JSON, two files": "<https://github.com/simdjson/simdjson-data>: " + ", ".join(corpora.json),
    }
    rows = [
        [texts.name, str(len(texts.texts)), f"{texts.bytes:,}", f"`{texts.digest[:16]}`", sources.get(texts.name, "")]
        for texts in corpora.corpora()
    ]
    large = corpora.large_set()
    if large:
        source = "English Wikipedia, see below"
        rows.append([large.name, "1", f"{large.bytes:,}", f"`{large.digest[:16]}`", source])
    return (
        table(["", "files", "bytes", "digest", "source"], rows) + "\n"
        "A digest is the start of the SHA-256 of all texts of a row, each after its length in 64 bits.\n\n"
        f"* **Articles.** {titles}. Plain text, of the kind that Wikipedia's API gives with "
        "`action=query&prop=extracts&explaintext=1&titles=...`. The revisions were not noted, and today's text of an article may "
        "differ. The five of the first "
        f"table are {five}, their first {ARTICLE:,} bytes.\n"
        f"* **{LARGE:,} bytes of Wikipedia.** Plain text of other articles, of 2023, from byte {MIXTURE_READS:,} of the training "
        "text on, which no built-in model was trained on; 0.7 % of its long paragraphs also occur before. With "
        "`--wikipedia FILE` the first 10 MB of another file take their place, such as enwik8 from "
        "<http://mattmahoney.net/dc/enwik8.zip>.\n"
        "* **Domains.** Held-out documents: none is in the training text. Parts of one kind cannot be downloaded as one "
        "file; any file of its kind, named `domains/NAME/heldout.*`, can be measured instead.\n"
    )


def programs(page: Page) -> str:
    def words(codec: Codec, command: tuple[str, ...]) -> str:
        return "`" + " ".join(word.rsplit("/", 1)[-1] for word in command) + "`"

    shown = [page.levels[5], *([page.imported] if page.imported else []), *page.peers, *list(page.dictionaries.values())[:1]]
    rows = []
    for codec in shown:
        said = page.czip_version if codec.family == "czip" else codec.identity.split()[1]
        rows.append([codec.name, said, words(codec, codec.encode), words(codec, codec.decode)])
    return f"Debian packages: `apt-get install {PACKAGES}`. FILES and FILE are texts, PACKED what was made of them.\n\n" + table(
        ["", "version", "encode", "decode"], rows
    )


def wrapped(text: str) -> str:
    """Breaks the lines of prose and lists, and leaves tables, headings, code and pictures as they are."""
    blocks = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if lines[0].startswith(("|", "#", "```", "!", "<!--")):
            blocks.append("\n".join(lines))
            continue
        items: list[str] = []
        for line in lines:
            if items and not re.match(r"(\*|\d+\.) ", line):
                items[-1] += " " + line.strip()
            else:
                items.append(line)
        for place, item in enumerate(items):
            mark = re.match(r"(\*|\d+\.) ", item)
            items[place] = textwrap.fill(
                item,
                WIDTH,
                subsequent_indent=" " * len(mark.group()) if mark else "",
                break_long_words=False,
                break_on_hyphens=False,
            )
        blocks.append("\n".join(items))
    return "\n\n".join(blocks) + "\n"


def markdown(page: Page) -> tuple[str, list[str]]:
    """The whole page, and remarks for whoever made it."""
    levels, remarks = ladder(page)
    sections: list[tuple[str, Callable[[Page], str] | str]] = [
        ("In short", in_short),
        ("Sizes", sizes),
        ("Against paq8px and cmix", with_published),
        ("Speed and memory", speed_and_memory),
        ("Levels", levels),
        ("By length of text", by_length),
        ("Many small texts", small_texts),
        ("When a model pays for itself", pays),
        ("Models of your own", own_models),
        ("Neural compressors compared", neural),
        ("The programs", programs),
        ("The texts", described),
    ]
    head = f"""# Benchmarks

<!-- Written by {page.command}: do not edit. -->

How small and how fast czip is, next to other programs. This page is written by

```sh
{page.command}
```

* **Machine.** {page.machine}. Other programs ran on it at the same time. So speeds are of processor time (user and system),
  with one thread, unless a table says otherwise; programs take turns; what takes less than 2 s of it is measured three times,
  and the best counts. The start of a process is included, a few milliseconds, and the model being read. MB are 10^6 bytes.
* **Correct.** Whatever was compressed was also restored and compared.
* **Sizes** are of whole files, with headers and checksums, but without models, programs and dictionaries: see
  [when a model pays for itself](#when-a-model-pays-for-itself). czip has the built-in models, if no other is named: of
  `standard` only the tokens at levels 1 to 3, `fast` at level 4, `standard` from level 5 on.
"""
    parts = [head]
    for title, section in sections:
        parts.append(f"## {title}\n\n{section if isinstance(section, str) else section(page)}")
    return wrapped("\n".join(parts)), remarks
