#!/usr/bin/env python3
"""Disturbs czip at random moments, and checks that nothing is lost.

    python3 xtask/kill.py [--seconds N] [--seed S] [--czip PATH]

A run of `compress`, `decompress` (with or without `--rm`), `adapt` or `train` in a folder of its own is killed, or the disk is full, a file may not become
longer, the folder cannot be written to, an input goes away or is cut. Afterwards:

* Inputs are what they were. With `--rm` an input may be gone, but only if its output is whole, and all are if the exit code says so.
* Each output is whole, or what it was before. All are whole if the exit code says so.
* Nothing else is in the folder, except after `kill -9`; and then a run that succeeds removes it.
* A training run that was killed goes on with `--resume`, or starts anew with `-f`.
* Exit codes are those in `crates/cli/README.md`.

The seed decides what happens in which order and when, as far as the machine has the same speed. Needs Linux, and root for
a small disk and one that cannot be written to.
"""

import argparse
import collections
import dataclasses
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL = REPOSITORY / "crates/vectors/data/model2.czm"

# Names of temporary files.
TEMPORARY = re.compile(r"\.czip-[A-Za-z0-9]{6}\.tmp")

DONE, FAILURE, MALFORMED = 0, 1, 4

# Longer than any run takes, however busy the machine is.
HANGS = 300

SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGALRM", "SIGXCPU"]
# On the first of these, training comes to its end and keeps what it has.
ASKING = ["SIGTERM", "SIGINT", "SIGHUP"]


class Lost(Exception):
    """A law is broken."""


def require(condition, what):
    if not condition:
        raise Lost(what)


@dataclasses.dataclass
class Case:
    """A run, and what has to come of it."""

    name: str
    arguments: list
    inputs: dict  # contents by name
    outputs: dict  # contents by name; None for a model: that of training is another each time
    stdin: str | None = None  # name of an input
    removes: bool = False  # whether inputs go once their outputs are there
    seconds: float = 0.0  # that the run takes without a disturbance

    @property
    def trains(self):
        return self.arguments[0] == "train"

    def output_of(self, name):
        """The output that an input is to be found in."""
        return name.removesuffix(".czip") if name.endswith(".czip") else f"{name}.czip"

    def of_what_is_left(self, folder):
        """The same for the inputs that are there."""
        if not self.removes:
            return self
        gone = [name for name in self.inputs if not (folder / name).exists()]
        return dataclasses.replace(
            self,
            arguments=[argument for argument in self.arguments if argument not in gone],
            inputs={name: contents for name, contents in self.inputs.items() if name not in gone},
        )

    @property
    def makes_a_model(self):
        return self.trains or self.arguments[0] == "adapt"


@dataclasses.dataclass
class Finished:
    code: int
    message: str

    def __str__(self):
        return f"exit code {self.code}: {self.message.strip()[-400:] or '(no message)'}"


class Run:
    """A process in a folder."""

    def __init__(self, czip, folder, case, extra=(), ignored=(), file_size=None):
        def prepare():
            for name in SIGNALS:
                number = getattr(signal, name)
                signal.signal(number, signal.SIG_IGN if name in ignored else signal.SIG_DFL)
            if file_size is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

        environment = {name: value for name, value in os.environ.items() if not name.startswith("CZIP_")}
        stdin = open(folder / case.stdin, "rb") if case.stdin else subprocess.DEVNULL
        # A file, since nobody reads a pipe meanwhile.
        self.messages = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [czip, *case.arguments, "-T", "1", *extra],
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=self.messages,
            preexec_fn=prepare,
        )
        if case.stdin:
            stdin.close()

    def finished(self):
        try:
            code = self.process.wait(HANGS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Lost("it hangs") from None
        self.messages.seek(0)
        message = self.messages.read().decode(errors="replace")
        self.messages.close()
        require("panicked" not in message, f"it panics: {message}")
        return Finished(code, message)

    def wait_for_moment(self, folder, seconds, randomly):
        """Lets the run go on until some moment; often one when an output is being written or has just been."""
        end = time.monotonic() + seconds
        at_temporary = randomly.random() < 0.4
        while self.process.poll() is None and time.monotonic() < end:
            if at_temporary and any(TEMPORARY.fullmatch(name) for name in os.listdir(folder)):
                time.sleep(randomly.random() * min(0.02, seconds))
                return
            time.sleep(0.0005)


class Bench:
    """All that is disturbed, and a place for it."""

    def __init__(self, czip, place, randomly):
        self.czip = czip
        self.place = place
        self.random = randomly
        self.counts = collections.Counter()
        self.disturbed = collections.Counter()
        self.cases = self.make_cases()
        self.root = os.geteuid() == 0
        self.mounts = self.root and self.can_mount()
        if not self.mounts:
            print("!!! disks cannot be mounted here: none is full, and for root none is unwritable")

    def make_cases(self):
        """Runs each once, undisturbed, to see what comes of it and how long it takes."""
        words = ["integer", "the", "same", "of", "text", "and", "model", "a", "byte", "is", "every", "where"]

        def text(length):
            line = lambda: " ".join(self.random.choice(words) for _ in range(9)) + ".\n"
            return "".join(line() for _ in range(length // 40))[:length].encode()

        big = {"big.txt": text(100_000)}
        many = {f"{number:02}.txt": text(self.random.randrange(100, 4_000)) for number in range(20)}
        some = {f"{number:02}.txt": text(60_000) for number in range(3)}
        log = "".join(
            f"2026-11-{number % 30 + 1:02} user{self.random.randrange(250)} opened document {number}\n"
            for number in range(4_000)
        ).encode()

        cases = []

        def add(name, arguments, inputs, outputs, **more):
            case = Case(name, arguments, inputs, dict.fromkeys(outputs), **more)
            folder = self.folder(case, {})
            began = time.monotonic()
            finished = Run(self.czip, folder, case).finished()
            case.seconds = time.monotonic() - began
            if finished.code != DONE:
                sys.exit(f"{name}, undisturbed: {finished}")
            if not case.makes_a_model:
                case.outputs = {name: (folder / name).read_bytes() for name in outputs}
            self.check_names(case, folder)
            shutil.rmtree(folder)
            cases.append(case)
            return case

        model = ["-m", str(MODEL)]
        for name, inputs, options in [
            ("one file", big, [*model]),
            ("many files", many, [*model]),
            ("large files", some, ["-m", "none", "--segment", "16K"]),
        ]:
            packed = {f"{name}.czip": name for name in inputs}
            case = add(f"compress, {name}", ["compress", *options, *inputs], inputs, packed)
            back = add(f"decompress, {name}", ["decompress", *options[:2], *packed], case.outputs, inputs)
            if back.outputs != inputs:
                sys.exit(f"{name}: the text does not come back")
            add(f"compress --rm, {name}", ["compress", "--rm", *options, *inputs], inputs, packed, removes=True)
            add(f"decompress --rm, {name}", ["-d", "--rm", *options[:2], *packed], case.outputs, inputs, removes=True)
        add("compress, standard input", ["compress", *model, "-", "-o", "out.czip"], big, ["out.czip"], stdin="big.txt")
        train = "train log.txt -o m.czm --tokens 20000 --preset fast --vocab 300 --heldout 0.15".split()
        add("train", train, {"log.txt": log}, ["m.czm"])
        adapt = "adapt old.czm log.txt -o new.czm --sample 20K".split()
        add("adapt", adapt, {"old.czm": MODEL.read_bytes(), "log.txt": log}, ["new.czm"])
        return cases

    def folder(self, case, previous, within=None):
        folder = Path(tempfile.mkdtemp(dir=self.place)) if within is None else within
        for name, contents in {**case.inputs, **previous}.items():
            (folder / name).write_bytes(contents)
        return folder

    def check_names(self, case, folder, strays=()):
        """There is nothing that nobody asked for."""
        for name in os.listdir(folder):
            of_model = case.trains and re.fullmatch(r"m\.czm\.(csv|svg|checkpoint)", name)
            require(name in case.inputs or name in case.outputs or of_model or name in strays, f"{name} is left behind")

    def loads(self, folder, name):
        return subprocess.run([self.czip, "info", name], cwd=folder, capture_output=True).returncode == DONE

    def check(self, case, folder, finished, previous, changed=()):
        """The laws on inputs and outputs."""
        for name, contents in case.inputs.items():
            if case.removes and not (folder / name).exists():
                output = case.output_of(name)
                require((folder / output).exists(), f"the input {name} is gone, and {output} is not there")
                found = (folder / output).read_bytes()
                require(name in changed or found == case.outputs[output], f"the input {name} is gone, and {output} is not whole")
            elif case.removes and finished.code == DONE:
                raise Lost(f"it says that all is done, but the input {name} is there")
            elif name not in changed:
                require((folder / name).exists(), f"the input {name} is gone")
                require((folder / name).read_bytes() == contents, f"the input {name} is another")
        whole = 0
        for name, contents in case.outputs.items():
            path = folder / name
            if not path.exists():
                require(name not in previous, f"{name}, which was to be replaced, is gone")
                continue
            found = path.read_bytes()
            if contents is None:
                if found != previous.get(name):
                    require(self.loads(folder, name), f"the model {name} is not whole")
                    whole += 1
            elif found == contents:
                whole += 1
            else:
                require(found == previous.get(name), f"{name} is neither whole nor what it was, of {len(found)} bytes")
        if finished.code == DONE:
            require(whole == len(case.outputs), f"it says that all is done, but {whole} of {len(case.outputs)} outputs are there")
        return whole

    def finish(self, case, folder):
        """A run that is not disturbed makes all good again."""
        extra = ["-f"]
        case = case.of_what_is_left(folder)
        if not case.inputs:
            return
        if case.trains and (folder / "m.czm.checkpoint").exists() and self.random.random() < 0.7:
            extra.append("--resume")
        finished = Run(self.czip, folder, case, extra).finished()
        require(finished.code == DONE, f"and then, with {extra}, {finished}")
        self.check(case, folder, finished, {})
        self.check_names(case, folder)
        require(not (folder / "m.czm.checkpoint").exists(), "the checkpoint of a run that has ended is left behind")

    # Disturbances. Each returns whether the run did not come to its usual end.

    def killed(self, case, extra, previous, name, ignored=()):
        folder = self.folder(case, previous)
        run = Run(self.czip, folder, case, extra, ignored)
        run.wait_for_moment(folder, self.random.random() * case.seconds * 1.1, self.random)
        number = getattr(signal, name)
        run.process.send_signal(number)
        finished = run.finished()
        asked = case.trains and name in ASKING
        ended = -number if name not in ignored else DONE
        # Asked to stop before anything was measured, training does not replace a model that is there.
        early = asked and previous and finished.code == FAILURE and "before the first measurement" in finished.message
        require(finished.code in (DONE, ended) or early, f"{finished}")
        self.check(case, folder, finished, previous)
        strays = set(os.listdir(folder))
        if name == "SIGKILL":
            for stray in strays:
                known = stray in case.inputs or stray in case.outputs or case.trains and stray.startswith("m.")
                require(known or TEMPORARY.fullmatch(stray), f"{stray} is not recognisable")
            self.counts["temporary files after kill -9"] += sum(bool(TEMPORARY.fullmatch(stray)) for stray in strays)
        else:
            self.check_names(case, folder)
        stopped = asked and (folder / "m.czm.checkpoint").exists()
        if finished.code != DONE or stopped:
            if case.trains and self.random.random() < 0.5 and (folder / "m.czm.checkpoint").exists():
                # Once more, while it goes on.
                before = {path: (folder / path).read_bytes() for path in case.outputs if (folder / path).exists()}
                run = Run(self.czip, folder, case, ["-f", "--resume"])
                run.wait_for_moment(folder, self.random.random() * case.seconds, self.random)
                run.process.kill()
                self.check(case, folder, run.finished(), before)
                self.counts["train, resumed, SIGKILL"] += 1
            self.finish(case, folder)
        shutil.rmtree(folder)
        return finished.code != DONE or stopped

    def signal(self, case, extra, previous):
        name = self.random.choice(SIGNALS)
        return name, self.killed(case, extra, previous, name)

    def ignored_interrupt(self, case, extra, previous):
        """As in the background of a shell."""
        if self.random.random() < 0.5:
            return "ignored SIGINT", self.killed(case, extra, previous, "SIGINT", ["SIGINT"])
        return "SIGTERM, SIGINT ignored", self.killed(case, extra, previous, "SIGTERM", ["SIGINT"])

    def kill(self, case, extra, previous):
        return "SIGKILL", self.killed(case, extra, previous, "SIGKILL")

    def limited(self, case, folder, extra, previous, **limits):
        finished = Run(self.czip, folder, case, extra, **limits).finished()
        require(finished.code in (DONE, FAILURE), f"{finished}")
        require(finished.code == DONE or finished.message, "it fails without a word")
        self.check(case, folder, finished, previous)
        self.check_names(case, folder)
        return finished.code != DONE

    def file_size(self, case, extra, previous):
        """No file may be longer: `ulimit -f`."""
        folder = self.folder(case, previous)
        longest = max((len(contents) for contents in case.outputs.values() if contents), default=300_000)
        disturbed = self.limited(case, folder, extra, previous, file_size=self.random.randrange(longest))
        shutil.rmtree(folder)
        return "limited files", disturbed

    def full_disk(self, case, extra, previous):
        if not self.mounts:
            return self.file_size(case, extra, previous)
        pages = lambda files: sum(-(-len(contents or b"") // 4096) for contents in files.values())
        outputs = 600 if case.makes_a_model else pages(case.outputs)
        room = pages(case.inputs) + pages(previous) + self.random.randrange(outputs)
        with self.mounted(f"size={room * 4096}") as folder:
            self.folder(case, previous, folder)
            return "full disk", self.limited(case, folder, extra, previous)

    def unwritable(self, case, extra, previous):
        if self.root and not self.mounts:
            return self.file_size(case, extra, previous)
        if self.root:
            # Permissions do not keep root from anything.
            with self.mounted("size=64m") as folder:
                self.folder(case, previous, folder)
                subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
                disturbed = self.limited(case, folder, extra, previous)
        else:
            folder = self.folder(case, previous)
            folder.chmod(0o555)
            disturbed = self.limited(case, folder, extra, previous)
            folder.chmod(0o755)
            shutil.rmtree(folder)
        require(disturbed, "it says that all is done in a folder that cannot be written to")
        return "unwritable folder", disturbed

    def can_mount(self):
        try:
            with self.mounted("size=64k"):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False

    def mounted(self, options):
        return Mounted(tempfile.mkdtemp(dir=self.place), options)

    def input_removed(self, case, extra, previous):
        folder = self.folder(case, previous)
        gone = self.random.choice(list(case.inputs))
        run = Run(self.czip, folder, case, extra)
        run.wait_for_moment(folder, self.random.random() * case.seconds, self.random)
        there = (folder / gone).exists()
        (folder / gone).unlink(missing_ok=case.removes)
        finished = run.finished()
        require(finished.code in (DONE, FAILURE), f"{finished}")
        if case.removes and there:
            # Whether it was taken away before it was read, or after, its output alone cannot tell.
            rest = {name: contents for name, contents in case.inputs.items() if name != gone}
            self.check(dataclasses.replace(case, inputs=rest), folder, finished, previous)
        else:
            self.check(case, folder, finished, previous, changed=[gone])
        self.check_names(case, folder)
        shutil.rmtree(folder)
        return "input removed", finished.code != DONE

    def input_cut(self, case, extra, previous):
        """What is made of an input that becomes shorter is the text before, or the text after, or said to be neither."""
        folder = self.folder(case, previous)
        cut = self.random.choice(list(case.inputs))
        length = self.random.randrange(len(case.inputs[cut]))
        run = Run(self.czip, folder, case, extra)
        run.wait_for_moment(folder, self.random.random() * case.seconds, self.random)
        try:
            os.truncate(folder / cut, length)
        except FileNotFoundError:
            require(case.removes, f"the input {cut} is gone")
        finished = run.finished()
        require(finished.code in (DONE, FAILURE, MALFORMED), f"{finished}")
        if case.arguments[0] == "compress" and case.removes and not (folder / cut).exists():
            self.check_cut(case, folder, finished, previous, cut, length, case.output_of(cut))
        elif case.arguments[0] == "compress":
            output = "out.czip" if case.stdin else f"{cut}.czip"
            self.check_cut(case, folder, finished, previous, cut, length, output)
            # The others are as always.
            rest = dataclasses.replace(case, outputs={name: contents for name, contents in case.outputs.items() if name != output})
            self.check(rest, folder, finished, previous, changed=[cut])
        elif case.trains:
            if finished.code == DONE:
                self.check(case, folder, finished, previous, changed=[cut])
        else:
            self.check(case, folder, finished, previous, changed=[cut])
        self.check_names(case, folder)
        shutil.rmtree(folder)
        return "input cut", finished.code != DONE

    def check_cut(self, case, folder, finished, previous, cut, length, output):
        path = folder / output
        if not path.exists():
            require(finished.code != DONE, f"{output} is not there")
            return
        found = path.read_bytes()
        if found == previous.get(output):
            require(finished.code != DONE, f"{output} has not been replaced")
            return
        model = case.arguments[case.arguments.index("-m") + 1]
        back = subprocess.run(
            [self.czip, "decompress", "-m", model, output, "-o", "-"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        require(back.returncode == DONE, f"{output} is not whole: {back.stderr.decode()}")
        text = case.inputs[cut]
        require(text.startswith(back.stdout), f"{output} has another text")
        if finished.code == DONE:
            require(
                len(back.stdout) in (len(text), length),
                f"of {len(text)} bytes, cut to {length}, {len(back.stdout)} are restored, and nobody says so",
            )

    def disturb(self):
        """Something happens to some run."""
        # Training takes as long as some others together.
        case = self.random.choice(self.cases)
        disturbance = self.random.choice(
            [self.kill] * 4
            + [self.signal] * 4
            + [self.ignored_interrupt, self.full_disk, self.full_disk, self.file_size, self.unwritable]
            + [self.input_removed, self.input_cut, self.input_cut]
        )
        extra, previous = [], {}
        if self.random.random() < 0.5:
            extra = ["-f"]
            previous = {name: b"before " * self.random.randrange(1, 1000) for name in case.outputs}
        self.now = f"{case.name}{', -f' if extra else ''}: {disturbance.__name__}"
        what, disturbed = disturbance(case, extra, previous)
        kind = f"{case.name.split(',')[0]}, {what}"
        self.counts[kind] += 1
        self.disturbed[kind] += disturbed


class Mounted:
    """A small disk in memory."""

    def __init__(self, folder, options):
        self.folder = Path(folder)
        self.options = options

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", self.options, "czip-kill", self.folder], check=True)
        return self.folder

    def __exit__(self, *_):
        subprocess.run(["umount", self.folder], check=True)
        self.folder.rmdir()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="how long to go on [120]")
    parser.add_argument("--seed", type=int, default=None, help="what happens, and when [chosen at random]")
    parser.add_argument("--czip", type=Path, default=None, help="the program [the one that cargo builds for development]")
    parser.add_argument("--most", type=int, default=5, help="losses after which to stop [5]")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    czip = arguments.czip
    if czip is None:
        subprocess.run(["cargo", "build", "--quiet", "--locked", "-p", "czip-cli", "--bin", "czip"], cwd=REPOSITORY, check=True)
        czip = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "debug/czip"
    print(f"seed {seed}", flush=True)

    losses = []
    with tempfile.TemporaryDirectory(prefix="czip-kill-") as place:
        bench = Bench(czip.resolve(), place, random.Random(seed))
        for case in bench.cases:
            print(f"{case.seconds:6.2f} s  {case.name}")
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < arguments.seconds and len(losses) < arguments.most:
            number += 1
            try:
                bench.disturb()
            except Lost as lost:
                losses.append(f"run {number} of seed {seed}, {bench.now}: {lost}")
                print(losses[-1], flush=True)
        seconds = time.monotonic() - began

    print(f"\n{'runs':>5} {'disturbed':>9}")
    for kind, count in sorted(bench.counts.items()):
        print(f"{count:5} {bench.disturbed.get(kind, ''):>9}  {kind}")
    print(f"{number} runs in {seconds:.0f} s, {len(losses)} losses")
    if losses:
        sys.exit(1)


if __name__ == "__main__":
    main()
