"""Changed files, of which mutations.py makes many more."""

from __future__ import annotations

import mutations


def test_both_implementations_refuse_the_same_files() -> None:
    files = list(mutations.changed_files(400, seed=1))
    assert mutations.disagreements(files) == []
    texts = [mutations.ours(file) for file in files]
    assert 10 < sum(text is not None for text in texts) < 100


def test_all_originals_are_restored() -> None:
    texts = {mutations.ours(file) for file in mutations.originals()}
    assert None not in texts
    assert mutations.theirs(mutations.originals()) == [mutations.ours(file) for file in mutations.originals()]
