"""Training, in miniature."""

import signal
import sys

import pytest

import czip


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    words = ["red", "green", "blue", "apples", "pears", "are", "were", "sold", "here", "there"]
    lines = [" ".join(words[(number * step) % 10] for step in range(1, 9)) for number in range(3000)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_training(texts):
    seen = []
    file = czip.train([texts], tokens=1, preset="fast", vocab_size=280, threads=1, progress=seen.append)
    assert seen[-1].tokens > 0 and seen[-1].done >= 1 and seen[-1].seconds > 0
    model = czip.Model.from_bytes(file, name="mine")
    assert (model.name, model.vocab_size) == ("mine", 280)
    text = b"red apples are sold here and there"
    assert czip.decompress(czip.compress(text, model=model), model=model) == text


def test_training_ends_when_told_to(texts):
    def raises(now):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        czip.train([texts], minutes=60, preset="fast", vocab_size=280, threads=1, progress=raises)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_signals_are_handled_while_priors_are_fitted(texts):
    """The third signal of a timer raises, which starts when the net is trained. After the call there would be one at most."""
    handled = []

    def handler(number, frame):
        handled.append(number)
        if len(handled) == 3:
            raise LookupError("enough")

    def progress(now):
        if now.done >= 1:
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(LookupError, match="enough"):
            czip.train([texts], tokens=1, preset="fast", vocab_size=280, threads=1, progress=progress)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_what_cannot_be_trained_on(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("short")
    with pytest.raises(czip.CzipError, match="5 bytes"):
        czip.train([path])
    with pytest.raises(ValueError, match="presets are fast, standard and large"):
        czip.train([path], preset="huge")
