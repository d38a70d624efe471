"""Measures czip next to other programs, and writes docs/benchmarks.md and its pictures.

    python3 xtask/benchmarks --dir ../shared/bench [--model smollm2.czm] [--own-models]

Needs GNU time, the other programs (Debian: see the page), and matplotlib. What was measured is kept in the target folder by the
hash of program, arguments and texts, so a run that was interrupted goes on, and after a change only what changed is measured.

Exit codes: 0 if the page is written, 1 if something failed, or a text did not come back.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import codecs_compared
import page as pages
import plots
from codecs_compared import Codec, Czip
from measure import ROUNDS, TIME, Failed, Results
from texts import ARTICLE, DICTIONARY_OF, DOMAINS, PIECE, Corpora

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# An imported model takes minutes for a megabyte, so it gets no texts of more than this, but for the novel.
IMPORTED_UP_TO = ARTICLE
IMPORTED = "czip, imported model"

# At which levels long texts are measured.
LEVELS = range(1, 10)
CHOSEN = (1, 4, 5, 9)

# Models of one's own: kind of text, bytes of training text, and tokens that are trained on, eight passes at most.
OWN = "chat_sgd"
OWN_LENGTHS = {125_000: 250_000, 500_000: 1_000_000, 2_000_000: 2_000_000}


def machine() -> str:
    """The machine, in words."""
    words = platform.processor() or platform.machine()
    try:
        described = Path("/proc/cpuinfo").read_text()
        found = dict(re.findall(r"^(model name|cpu family|model|flags)\s*: (.*)$", described, re.MULTILINE))
        words = f"{found['model name']}, family {found['cpu family']}, model {found['model']}"
        if "avx512_vnni" in found["flags"].split():
            words += ", with AVX-512 VNNI"
        memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
        if memory:
            words += f", {int(memory[1]) / 2**20:.0f} GiB of memory"
        system = re.search(r'^PRETTY_NAME="(.*)"$', Path("/etc/os-release").read_text(), re.MULTILINE)
        if system:
            words += f", {system[1]}"
    except (OSError, KeyError):
        pass
    return f"{os.cpu_count()} cores of {words}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 xtask/benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", type=Path, required=True, help="the benchmark texts")
    parser.add_argument("--train", type=Path, help="the training texts; otherwise `train` beside the benchmark texts")
    parser.add_argument("--wikipedia", type=Path, help="a file whose first 10 MB are measured as the large text")
    parser.add_argument("--model", type=Path, help="an imported model")
    parser.add_argument("--own-models", action="store_true", help="train small models first, in some minutes")
    parser.add_argument("--czip", type=Path, help="the program; otherwise a release build is made")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs", help="where the page is written")
    parser.add_argument("--cache", type=Path, help="where measurements are kept; otherwise in the target folder")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often short measurements are made")
    parser.add_argument("--skip-missing", action="store_true", help="leave out programs that are not installed")
    return parser.parse_args()


def build() -> Path:
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "czip-cli"], cwd=REPOSITORY, check=True)
    return target / "release/czip"


def dictionary(corpora: Corpora, name: str, cache: Path, length: int = DICTIONARY_OF) -> Codec | None:
    """zstd with a dictionary that knows one kind of text."""
    out = cache / f"{name}-{length}.dict"
    if not out.exists():
        text = corpora.training_text(name, length)
        if not text:
            return None
        codecs_compared.train_dictionary(text, PIECE, out)
    return codecs_compared.zstd_with_dictionary(out)


def own_models(czip: Czip, corpora: Corpora, cache: Path) -> list[tuple[int, Codec, Codec]]:
    """Trains a model, and a dictionary, on more and more text of one kind."""
    found = []
    for length, tokens in OWN_LENGTHS.items():
        text = corpora.training_text(OWN, length)
        model = cache / f"{OWN}-{length}.czm"
        if not model.exists():
            source, unfinished = cache / f"{OWN}-{length}.txt", cache / f"{OWN}-{length}.unfinished.czm"
            source.write_bytes(text)
            options = ["--preset", "fast", "--tokens", str(tokens), "-T", "1", "-f", "-o", unfinished]
            if unfinished.with_suffix(".czm.checkpoint").exists():
                options.append("--resume")
            subprocess.run([czip.program, "train", source, *options], check=True)
            # An interrupted training leaves a model, too.
            unfinished.replace(model)
            source.unlink()
        trained = dictionary(corpora, OWN, cache, length)
        if trained is not None:
            name = f"czip -L 5, own model of {length:,} bytes"
            found.append((length, czip.codec(5, model, name=name), trained))
    return found


def measure(page: pages.Page) -> None:
    """Everything that the page shows."""
    results, corpora, levels = page.results, page.corpora, page.levels
    compared = [codec for _, codec in pages.compared_codecs(page)]
    xz = page.peer(codecs_compared.XZ)
    for texts in (corpora.five_articles(), corpora.novel()):
        if texts.texts:
            results.measure(texts, [*compared, levels[4], levels[9], *xz])
    for length, texts in corpora.lengths():
        results.measure(
            texts,
            [codec for _, family, codec in pages.length_codecs(page) if family != IMPORTED or length <= IMPORTED_UP_TO],
        )
    for texts in corpora.ladder():
        results.measure(texts, list(levels.values()))
    for texts in corpora.ladder()[:1]:
        results.measure(texts, [*page.peers, page.without_model])
    chosen = [levels[level] for level in CHOSEN]
    for texts in corpora.corpora():
        results.measure(texts, [*page.peers, *chosen, page.without_model])
        if texts.name == "encyclopedia articles":
            results.measure(texts, list(page.all_threads.values()))
    for name, texts in corpora.small():
        trained = [page.dictionaries[name]] if name in page.dictionaries else []
        results.measure(texts, [*pages.small_codecs(page), *trained])
        if name == OWN:
            page.own_texts = texts
            for _, model, own_dictionary in page.own_models:
                results.measure(texts, [model, own_dictionary])
    large = corpora.large_set()
    if large is not None:
        results.measure(large, [*page.peers, *chosen, page.without_model])


def draw(page: pages.Page, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ladder = page.corpora.ladder()[:1]
    for direction, encodes in (("encode", True), ("decode", False)):
        points = []
        for texts in ladder:
            for family, label, codec in families(page):
                found = page.got(codec, page.corpora.five_articles() if family == IMPORTED else texts)
                if found:
                    seconds = max((found.encode if encodes else found.decode).processor_s, pages.SHORTEST_S / 10)
                    points.append(plots.Point(label, family, found.text / seconds / 1e6, found.ratio))
        if points:
            heading = "encoding" if encodes else "decoding"
            plots.ratio_against_speed(points, heading, folder / f"ratio-{direction}.svg")
    curves: dict[str, list[tuple[float, float]]] = {}
    labels = {}
    for label, family, codec in pages.length_codecs(page):
        measured = [(length, page.got(codec, texts)) for length, texts in page.corpora.lengths()]
        curves[family] = [(length, found.bits_per_byte) for length, found in measured if found]
        labels[family] = label
    curves = {family: points for family, points in curves.items() if points}
    if curves:
        plots.lines(curves, labels, ("length of the text", "bits per byte"), folder / "length.svg")
    draw_own_models(page, folder)


def families(page: pages.Page) -> list[tuple[str, str, Codec]]:
    """Family, label and codec of each point of the pictures of speed."""
    found = [("czip", f"czip {level}" if level in (1, 9) else str(level), codec) for level, codec in page.levels.items()]
    found.append(("czip, no model", "czip -m none", page.without_model))
    if page.imported:
        found.append((IMPORTED, "imported model (five articles)", page.imported))
    for codec in page.peers:
        family = codec.family if codec.family in plots.COLOURS else "others"
        label = {codecs_compared.ZSTD: "zstd -22", codecs_compared.BROTLI: "brotli"}.get(codec.name, codec.name)
        found.append((family, label, codec))
    return found


def draw_own_models(page: pages.Page, folder: Path) -> None:
    texts = page.own_texts
    if texts is None or not page.own_models:
        return
    ends = (page.own_models[0][0], page.own_models[-1][0])
    own, trained = [], []
    for length, model, own_dictionary in page.own_models:
        for points, codec in ((own, model), (trained, own_dictionary)):
            found = page.got(codec, texts)
            if found:
                points.append((length, found.packed))
    curves = {"czip, own model": own, "zstd, dictionary": trained}
    labels = {"czip, own model": "own model", "zstd, dictionary": "zstd, dictionary"}
    for family, label, codec in (
        ("czip", "built-in model", page.levels[5]),
        *(("brotli", "brotli", codec) for codec in page.peer(codecs_compared.BROTLI)),
    ):
        found = page.got(codec, texts)
        if found:
            curves[family] = [(end, found.packed) for end in ends]
            labels[family] = label
    axis_labels = ("amount of training text", f"bytes of {len(texts.texts)} files, {DOMAINS[OWN]}")
    plots.lines(curves, labels, axis_labels, folder / "own-models.svg")


def main() -> int:
    options = arguments()
    if shutil.which(TIME) is None:
        print(f"{TIME} is missing (Debian: apt-get install {codecs_compared.PACKAGES})", file=sys.stderr)
        return 1
    program = (options.czip or build()).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    cache = options.cache or target / "benchmarks"
    cache.mkdir(parents=True, exist_ok=True)
    training = options.train or options.dir.resolve().parent / "train"
    corpora = Corpora(options.dir, training, cache, options.wikipedia)
    peers = codecs_compared.peers()
    missing = sorted({codec.family for codec in peers if not codecs_compared.version(codec.family)})
    if missing and not options.skip_missing:
        print(f"missing: {', '.join(missing)} (Debian: apt-get install {codecs_compared.PACKAGES})", file=sys.stderr)
        return 1

    czip = Czip(program)
    told = machine()
    results = Results(cache / "results.json", told, options.rounds)
    standard, fast = REPOSITORY / "crates/models/standard.czm", REPOSITORY / "models/fast.czm"
    called = "python3 xtask/benchmarks --dir ../shared/bench"
    called += " --model smollm2.czm" if options.model else ""
    called += " --own-models" if options.own_models else ""
    dictionaries = {name: dictionary(corpora, name, cache) for name, _ in corpora.small()}
    page = pages.Page(
        machine=told,
        command=called,
        czip_version=czip.version,
        corpora=corpora,
        results=results,
        peers=[codec for codec in peers if codec.family not in missing],
        levels={level: czip.codec(level) for level in LEVELS},
        without_model=czip.codec(5, "none", name="czip -m none"),
        imported=czip.codec(5, options.model.resolve(), name="czip, imported model") if options.model else None,
        all_threads={level: czip.codec(level, threads=0, name=f"czip -L {level}, all threads") for level in CHOSEN},
        dictionaries={name: codec for name, codec in dictionaries.items() if codec is not None},
        model_bytes={4: fast.stat().st_size, 5: standard.stat().st_size},
    )
    if options.own_models:
        page.own_models = own_models(czip, corpora, cache)
    try:
        measure(page)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    text, remarks = pages.markdown(page)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(page, options.out / "benchmarks")
    written = options.out / "benchmarks.md"
    written.write_text(text)
    print(f"{results.made} measurements made; {written} written")
    for remark in remarks:
        print(f"note: {remark}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
