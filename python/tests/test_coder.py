"""The entropy coders: golden vectors, the examples of the pages, and round trips."""

from __future__ import annotations

import pytest
from conftest import vector
from hypothesis import given
from hypothesis import strategies as st

from compress_zip.coder.arithmetic import ArithmeticDecoder, ArithmeticEncoder
from compress_zip.coder.binary import RangeDecoder, RangeEncoder
from compress_zip.errors import DamagedError

Interval = tuple[int, int, int]
Decision = tuple[bool, int]

DECISIONS = st.lists(st.tuples(st.booleans(), st.one_of(st.integers(1, 65535), st.sampled_from([1, 65535]))))


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """An interval of some total, often of a single number, at an end, or of all but one."""
    total = draw(st.integers(2, 1 << 30))
    low = draw(st.one_of(st.integers(0, total - 1), st.sampled_from([0, total - 1])))
    high = draw(st.one_of(st.integers(low + 1, total), st.sampled_from([low + 1, total])))
    return low, high, total


def encode_intervals(symbols: list[Interval]) -> bytes:
    encoder = ArithmeticEncoder()
    for low, high, total in symbols:
        encoder.encode(low, high, total)
    return encoder.finish()


def decode_intervals(message: bytes, symbols: list[Interval]) -> None:
    decoder = ArithmeticDecoder(message)
    for low, high, total in symbols:
        assert low <= decoder.value(total) < high
        decoder.decode(low, high, total)
    decoder.finish()


def encode_decisions(decisions: list[Decision]) -> bytes:
    encoder = RangeEncoder()
    for decision, probability in decisions:
        encoder.encode(decision, probability)
    return encoder.finish()


def decode_decisions(message: bytes, decisions: list[Decision]) -> None:
    decoder = RangeDecoder(message)
    assert [decoder.decode(probability) for _, probability in decisions] == [bit for bit, _ in decisions]
    decoder.finish()


@pytest.mark.parametrize("message", vector("coder.json"), ids=lambda message: str(message["name"]))
def test_arithmetic_coder_makes_the_golden_messages(message: dict[str, object]) -> None:
    symbols: list[Interval] = [tuple(symbol) for symbol in message["symbols"]]  # type: ignore[attr-defined]
    assert encode_intervals(symbols).hex() == message["bytes"]
    decode_intervals(bytes.fromhex(str(message["bytes"])), symbols)


def test_arithmetic_coder_makes_the_chunks_of_the_example() -> None:
    # czip-v1.md, section 11: cumulative frequencies 1, 3, 4.
    table = [(0, 1, 4), (1, 3, 4), (3, 4, 4)]
    assert encode_intervals([table[token] for token in (0, 1, 2, 1)]) == b"\x2c"
    assert encode_intervals([table[token] for token in (1, 0)]) == b"\x50"


@given(st.lists(intervals()))
def test_arithmetic_coder_round_trips(symbols: list[Interval]) -> None:
    decode_intervals(encode_intervals(symbols), symbols)


@given(st.lists(intervals()))
def test_arithmetic_decoder_notices_another_ending(symbols: list[Interval]) -> None:
    message = encode_intervals(symbols)
    last = message[-1]
    for other in (message + b"\0", message[:-1], message[:-1] + bytes([last & (last - 1)])):
        decoder = ArithmeticDecoder(other)
        for low, high, total in symbols:
            decoder.decode(low, high, total)
        with pytest.raises(DamagedError):
            decoder.finish()


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        # czip-v2.md, section 9.5.
        ([(False, 32768), (False, 32768), (True, 16384), (False, 65535)], "cffff0"),
        ([(False, 32768)], "80"),
        ([(True, 32768)], ""),
        ([], ""),
    ],
)
def test_range_coder_makes_the_messages_of_the_example(decisions: list[Decision], message: str) -> None:
    assert encode_decisions(decisions).hex() == message
    decode_decisions(bytes.fromhex(message), decisions)


def test_range_encoder_carries_through_many_digits() -> None:
    # The first decisions leave an interval around 1/2, the next keep to its middle, and the last chooses a
    # side.
    decisions = [(False, 32767), (True, 32769)] + [(False, 1), (True, 65535)] * 200
    for last in (False, True):
        decode_decisions(encode_decisions([*decisions, (last, 32768)]), [*decisions, (last, 32768)])


def lowest_number_by_definition(decisions: list[Decision]) -> bytes:
    """The message of section 9.4 in its plainest form: with all digits of the interval at once."""
    n, low, span = 0, 0, 2**32 - 1
    for decision, probability in decisions:
        bound = span * probability >> 16
        low, span = (low, bound) if decision else (low + bound, span - bound)
        while span < 1 << 24:
            n, low, span = n + 1, low << 8, span << 8
    digits = n + 4
    for count in range(digits + 1):
        unit = 1 << 8 * (digits - count)
        number = -(-low // unit)
        if number * unit < low + span:
            return number.to_bytes(count, "big")
    raise AssertionError("an interval contains its lower end")


@given(DECISIONS)
def test_range_encoder_writes_the_shortest_and_lowest_number(decisions: list[Decision]) -> None:
    message = encode_decisions(decisions)
    assert message == lowest_number_by_definition(decisions)
    decode_decisions(message, decisions)


@given(DECISIONS, st.binary(max_size=2))
def test_range_decoder_accepts_no_other_message(decisions: list[Decision], more: bytes) -> None:
    message = encode_decisions(decisions)
    for other in {message + b"\0", message + more, message[:-1], message[:-1] + b"\0"} - {message}:
        decoder = RangeDecoder(other)
        decoded = [(decoder.decode(probability), probability) for _, probability in decisions]
        if decoded == decisions:
            with pytest.raises(DamagedError):
                decoder.finish()


def test_range_decoder_refuses_what_no_encoder_writes() -> None:
    with pytest.raises(DamagedError):
        RangeDecoder(b"\xff\xff\xff\xff\0")
