"""The mixer: the tables and the example of mixing.md, shipped files, and its parts in their plainest form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from compress_zip.mix import shipped
from compress_zip.mix.alphabet import Alphabet, byte_alphabet
from compress_zip.mix.buckets import slot_history, slot_p, updated_slot
from compress_zip.mix.contexts import History
from compress_zip.mix.match import MatchModel
from compress_zip.mix.mixer import Mixer, Prediction
from compress_zip.mix.numbers import LIMIT, LN, RATE, SQUASH, STRETCH, ln, log2up, squash
from compress_zip.mix.priors import Priors, Sizes, default_state
from compress_zip.mix.variants import BYTES, LEVELS, LIGHT, LIGHT_BYTES, MAX, STANDARD, Mode

SHIPPED = {
    "vocabulary.bin": (4104, "6807052c25e5f6a5"),
    "light-alone.bin": (104226, "4c2ec551e628e497"),
    "standard-alone.bin": (143657, "8774073897bc4acb"),
    "max.bin": (302914, "482b687d3189e294"),
    "max-alone.bin": (239418, "1a78cbb4f22afde8"),
    "light-bytes.bin": (32546, "08b16d0e9048d5a3"),
    "bytes.bin": (79673, "011dac174062274e"),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_are_those_of_the_page(name: str) -> None:
    data = shipped.file(name)
    assert (len(data), xxhash.xxh3_64_hexdigest(data)) == SHIPPED[name]


def test_tables_have_the_values_of_the_page() -> None:
    assert squash(-LIMIT) == 0
    assert squash(LIMIT) == 65535
    assert squash(0) == 32768
    assert max(STRETCH) == 2292
    assert [RATE[n] for n in (0, 1, 255)] == [43690, 26214, 255]
    # In floating point, which is near enough except at ties, of which there are none.
    assert [min(round(65536 / (1 + math.exp(-x / 256))), 65535) for x in range(-LIMIT, LIMIT + 1)] == SQUASH
    assert [round(math.log1p(i / 1024) * 65536) for i in range(1024)] == LN
    assert [log2up(x) for x in (0, 1, 2, 3, 4, 5)] == [1, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("i", [2048, 2049, 3000, 4000, 4094, 4095])
def test_stretch_is_the_nearest_logit(i: int) -> None:
    assert STRETCH[i] == min(range(LIMIT + 1), key=lambda x: (abs(squash(x) - 16 * i - 8), x))
    assert STRETCH[4095 - i] == -STRETCH[i]


def test_logarithms_use_eleven_bits() -> None:
    assert ln(1) == 0
    assert ln(2) == 45426
    assert ln(3) == 45426 + LN[512]
    assert ln(2047) == 10 * 45426 + LN[1023]
    assert ln(4095) == 11 * 45426 + LN[1023]


def cut_by_definition(weights: list[int], low: int, high: int) -> int:
    return min(
        range(low + 1, high), key=lambda cut: (abs(sum(weights[low:cut]) - sum(weights[cut:high])), cut)
    )


@given(st.lists(st.tuples(st.binary(max_size=2), st.integers(0, 100)), min_size=1, max_size=40))
def test_tree_is_cut_where_weights_differ_least(symbols: list[tuple[bytes, int]]) -> None:
    spellings = [spelling for spelling, _ in symbols]
    weights = [weight for _, weight in symbols]
    alphabet = Alphabet(spellings, weights)
    assert [alphabet.symbol_of[leaf] for leaf in alphabet.leaf_of] == list(range(len(symbols)))
    assert alphabet.symbol_of == sorted(range(len(symbols)), key=lambda symbol: (spellings[symbol], symbol))

    leaf_weights = [weights[symbol] + 12 for symbol in alphabet.symbol_of]

    def check(low: int, high: int, node: int) -> None:
        if high - low == 1:
            assert node == 0
            return
        assert node == cut_by_definition(leaf_weights, low, high)
        check(low, node, alphabet.left[node])
        check(node, high, alphabet.right[node])

    check(0, len(symbols), alphabet.root)


def test_decisions_of_bytes_are_their_bits() -> None:
    alphabet = byte_alphabet()
    assert alphabet.symbol_of == list(range(256))
    assert (alphabet.root, alphabet.left[128], alphabet.right[128]) == (128, 64, 192)
    assert (alphabet.left[1], alphabet.right[1], alphabet.right[254]) == (0, 0, 255)


def test_shipped_priors_fit_the_variants() -> None:
    # Of the modes with a name each: variant, whether the net runs, the shipped file.
    for variant, with_net, name in [
        (LIGHT, False, "light-alone"),
        (STANDARD, False, "standard-alone"),
        (MAX, True, "max"),
        (MAX, False, "max-alone"),
        (LIGHT_BYTES, False, "light-bytes"),
        (BYTES, False, "bytes"),
    ]:
        sizes = Sizes.of(variant, with_net=with_net)
        priors = Priors.from_bytes(shipped.file(f"{name}.bin"))
        assert priors.fit(sizes, with_net, priors.rows, priors.tree_hash)
        assert not priors.fit(sizes, not with_net, priors.rows, priors.tree_hash)
        if name.endswith("bytes"):
            assert (priors.rows, priors.tree_hash) == (256, byte_alphabet().tree_hash)


def test_default_state_is_that_of_the_page() -> None:
    state = default_state(Sizes(5, 2, 1), 3)
    history = 2 << 5 | 1 << 1
    assert state.state_maps[0].p(history) == 65536 * 5 // 8
    assert state.run_maps[0].p(16 * 3) == 65536 - 32768 // 4
    assert state.joint_maps[0].p(16 * (8 * 2 + 1)) == 65536 * 5 // 8
    assert state.first.shape == (256 + 512 + 6, 17)
    assert state.first[0].tolist() == [13107, 0] + [819] * 10 + [1638] * 4 + [0]


def test_mixing_of_other_trees_starts_from_means() -> None:
    priors = Priors.from_bytes(shipped.file("light-bytes.bin"))
    own = priors.state(256, priors.tree_hash)
    other = priors.state(7, priors.tree_hash + 1)
    assert (own.first[: 256 + 512] == other.first[: 256 + 512]).all()
    assert other.first.shape == (256 + 512 + 14, 16)
    for i in range(16):
        total = int(own.first[768 : 768 + 256, i].sum())
        mean = int(total / 256)
        assert other.first[768:775, i].tolist() == [mean] * 7
    assert other.second == [[1 << 14] * 4] * 7


def test_slots_learn() -> None:
    slot = updated_slot(0, True)
    assert slot_p(slot) == 32768 + ((65535 - 32768) * (43690 >> 1) >> 15)
    assert slot_history(slot) == 1 << 5 | 1
    for _ in range(20):
        slot = updated_slot(slot, True)
    assert slot_history(slot) == 15 << 5 | 1
    slot = updated_slot(slot, False)
    assert slot_history(slot) == 8 << 5 | 1 << 1
    assert slot >> 25 == 22


def test_history_follows_words_lines_and_shapes() -> None:
    history = History(records=False)
    for byte in b"one, Two\nab12":
        history.append(byte, bytes([byte]))
    assert history.shape == int.from_bytes(b"a, a\na0", "big")
    assert history.head == int.from_bytes(b"ab12", "big")
    assert history.field == 0
    # The line before from column 4 on: a comma has gone, so it is the end of "Two".
    assert history.above() == int.from_bytes(b" Tw", "big")
    assert (history.s(1), history.s(14), history.b(4)) == (ord("2") + 1, 0, ord("a"))


def test_lines_above_end_with_their_line_feed() -> None:
    history = History(records=False)
    seen = []
    for byte in b"ab\nwxyz":
        history.append(byte, bytes([byte]))
        seen.append(history.above().to_bytes(3, "big"))
    assert seen == [b"\0\0\0"] * 2 + [b"ab\n", b"b\n\0", b"\n\0\0", b"\0\0\0", b"\0\0\0"]


def test_records_are_found() -> None:
    history = History(records=True)
    for i in range(40):
        for byte in (255, i, 2 * i, 3 * i):
            history.append(byte, bytes([byte]))
    assert history.record_len == 4


@given(st.lists(st.integers(0, 2), max_size=200))
def test_match_model_predicts_what_followed_equal_symbols(symbols: list[int]) -> None:
    match = MatchModel(6, 2, 1000)
    history: list[int] = []
    for symbol in symbols:
        expected = match.expected(history)
        if expected is not None:
            length = match._length
            position = match._position
            assert expected == history[position]
            assert history[position - length : position] == history[len(history) - length :]
        history.append(symbol)
        match.update(history)


def test_classes_of_lengths() -> None:
    match = MatchModel(6, 2, 1000)
    classes = []
    for length in range(41):
        match._length = length
        classes.append(match.length_class())
    assert classes == [*range(9), 9, 9, 10, 10, *[11] * 4, *[12] * 4, *[13] * 8, *[14] * 11, 15]


def test_mixing_is_as_in_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    # mixing.md, section 14.
    predictions: list[Prediction] = []
    predict = Mixer.predict

    def observed(self: Mixer, *arguments: Any) -> Prediction:
        predictions.append(predict(self, *arguments))
        return predictions[-1]

    monkeypatch.setattr(Mixer, "predict", observed)
    text = b"the the the\n"
    mixer = byte_mixer(1, len(text))
    for byte in text:
        assert mixer.code(lambda node, _, byte=byte: byte >= node) == byte  # type: ignore[misc]

    first, later = predictions[0], predictions[39]
    assert first.inputs == [0, 102] + [0] * 14
    assert later.inputs == [0, 102, 0, 0, 0, 0, 602, 412, 0, 0, -858, -412, 0, 0, 0, 0]
    # The page counts the rows of each set from 0.
    starts = (0, 256, 768, 1024)
    assert [row - start for row, start in zip(first.rows, starts)] == [0, 0, 128, 0]
    assert [row - start for row, start in zip(later.rows, starts)] == [116, 0, 117, 32]
    assert first.outputs == [-204, 6, -177, -50]
    assert later.outputs == [-59, -326, -323, -184]
    assert (first.mixed, first.refined, first.probability) == (22965, [23421, 23421], 23193)
    assert (later.mixed, later.refined, later.probability) == (26881, [26940, 27266], 26992)
    assert [prediction.probability for prediction in predictions[:48]] == [
        *(23193, 39608, 41280, 26228, 23487, 29020, 25747, 31475),
        *(23736, 40925, 42207, 27827, 32029, 30614, 20702, 34982),
        *(23405, 40360, 41892, 27072, 31654, 30553, 25148, 33383),
        *(23589, 40845, 46540, 24904, 30735, 22182, 20702, 16383),
        *(2812, 51552, 56061, 40862, 12037, 47425, 16358, 26992),
        *(4658, 59549, 57722, 9149, 54251, 10953, 5398, 9114),
    ]


def byte_mixer(level: int, text_len: int) -> Mixer:
    priors = [Priors.from_bytes(shipped.file(name)) for name in ("light-bytes.bin", "bytes.bin")]
    variant = LEVELS[level].variant(Mode.BYTES)
    return Mixer(byte_alphabet(), variant, text_len, with_net=False, priors=priors)


@given(st.binary(max_size=60), st.sampled_from([1, 3]))
def test_decoder_predicts_what_the_encoder_predicted(text: bytes, level: int) -> None:
    coded: list[tuple[int, int, bool]] = []
    mixer = byte_mixer(level, len(text))
    for byte in text:

        def encode(node: int, probability: int, byte: int = byte) -> bool:
            coded.append((node, probability, byte >= node))
            return coded[-1][2]

        assert mixer.code(encode) == byte

    decisions = iter(coded)

    def decode(node: int, probability: int) -> bool:
        expected_node, expected_probability, decision = next(decisions)
        assert (node, probability) == (expected_node, expected_probability)
        return decision

    mixer = byte_mixer(level, len(text))
    assert bytes(mixer.code(decode) for _ in text) == text
