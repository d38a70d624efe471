#!/usr/bin/env python3
"""Makes the archive of czip that a release offers for one platform.

    python3 xtask/archive.py OUT [--target TRIPLE] [--profile NAME]

Builds the program and writes OUT/czip-VERSION-TRIPLE.tar.gz, or .zip for Windows. It holds a folder of the same name with the
programs, their manual pages and completions, the licences of czip, of the model that is built in and of all crates that are,
and what is to be read first. Unpacks it again, and has the program in it compress and restore a text, unless it is for another
processor.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CLI = REPOSITORY / "crates/cli"

PROGRAMS = ["czip", "compress_zip"]
# What stands in the archive, and from where.
DOCUMENTS = {
    "README.md": CLI / "README.md",
    "CHANGELOG.md": REPOSITORY / "CHANGELOG.md",
    "LICENSE": REPOSITORY / "LICENSE",
    "LICENSE-CC-BY-SA-4.0.txt": REPOSITORY / "crates/models/LICENSE-CC-BY-SA-4.0.txt",
    "man": CLI / "man",
    "completions": CLI / "completions",
}
THIRD_PARTIES = "LICENSES-THIRD-PARTIES.txt"
# Names that files with a licence begin with, in upper case. C sources lie a folder or two below the crate that builds them.
LICENCE_NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE")
LICENCE_DEPTH = 3


def output_of(*command: str | Path) -> str:
    return subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def host() -> str:
    """The triple of this machine."""
    lines = output_of("rustc", "--version", "--verbose").splitlines()
    return next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


def third_parties(target: str) -> str:
    """The licences of all crates in the program, other than ours. Those that share a text share its place."""
    arguments = ["--locked", "--package", "czip-cli", "--target", target, "--edges", "normal", "--prefix", "none"]
    lines = output_of("cargo", "tree", *arguments, "--format", "{p}").splitlines()
    built_in = {tuple(line.split()[:2]) for line in lines}
    metadata = json.loads(output_of("cargo", "metadata", "--locked", "--format-version", "1"))
    crates_of: dict[str, list[str]] = {}
    for package in sorted(metadata["packages"], key=lambda package: package["name"]):
        if package["source"] is None or (package["name"], f"v{package['version']}") not in built_in:
            continue
        folder = Path(package["manifest_path"]).parent
        texts = {
            path.read_text(encoding="utf-8", errors="replace").strip()
            for path in folder.rglob("*")
            if path.name.upper().startswith(LICENCE_NAMES)
            and path.is_file()
            and len(path.relative_to(folder).parts) <= LICENCE_DEPTH
        }
        name = f"{package['name']} {package['version']} ({package['license']})"
        # Some crates name their licence and have no file with its text.
        for text in texts or {f"See {package['repository']}"}:
            crates_of.setdefault(text, []).append(name)
    parts = sorted((crates, text) for text, crates in crates_of.items())
    line = "=" * 80
    return "".join("\n".join([line, *crates, line, "", text, "\n"]) for crates, text in parts)


def build(target: str | None, profile: str) -> Path:
    """Builds the program, and returns the folder that it is in."""
    command = ["cargo", "build", "--locked", "--package", "czip-cli", "--bin", "czip", "--profile", profile]
    subprocess.run([*command, *(["--target", target] if target else [])], cwd=REPOSITORY, check=True)
    folder = REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target")
    return folder / (target or "") / ("debug" if profile == "dev" else profile)


def try_out(archive: Path, suffix: str) -> None:
    """Unpacks the archive, and compresses and restores a text with both of its programs."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(archive, folder)
        (unpacked,) = Path(folder).iterdir()
        text = (unpacked / "README.md").read_bytes()
        for name in PROGRAMS:
            # Windows appends no suffix to a path.
            program = [unpacked / f"{name}{suffix}", "-q"]
            file = subprocess.run(
                [*program, "compress", "-m", "standard", "-"], input=text, check=True, stdout=subprocess.PIPE
            ).stdout
            restored = subprocess.run([*program, "decompress", "-"], input=file, check=True, stdout=subprocess.PIPE).stdout
            if restored != text or len(file) > len(text) // 2:
                sys.exit(f"{archive}: {name} does not work")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--target", help="for which platform [default: this machine]")
    parser.add_argument("--profile", default="release", help="cargo's profile [default: release]")
    arguments = parser.parse_args()
    target = arguments.target or host()
    version = json.loads(output_of("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))
    version = next(package["version"] for package in version["packages"] if package["name"] == "czip-cli")
    suffix = ".exe" if "windows" in target else ""
    programs = build(arguments.target, arguments.profile)

    arguments.out.mkdir(parents=True, exist_ok=True)
    name = f"czip-{version}-{target}"
    with tempfile.TemporaryDirectory() as folder:
        content = Path(folder) / name
        content.mkdir()
        shutil.copy2(programs / f"czip{suffix}", content)
        # The program asks by what name it was called.
        if suffix:
            shutil.copy2(content / f"czip{suffix}", content / f"compress_zip{suffix}")
        else:
            (content / "compress_zip").symlink_to("czip")
        for document, source in DOCUMENTS.items():
            (shutil.copytree if source.is_dir() else shutil.copy)(source, content / document)
        (content / THIRD_PARTIES).write_text(third_parties(target), encoding="utf-8", newline="\n")
        kind = "zip" if suffix else "gztar"
        archive = Path(shutil.make_archive(str(arguments.out.resolve() / name), kind, folder, name))
    if target.split("-")[0] == host().split("-")[0]:
        try_out(archive, suffix)
    print(archive)


if __name__ == "__main__":
    main()
