"""The arithmetic coder of CZIPv1: symbols with frequencies in, bits out, and back.

docs/spec/czip-v1.md, section 8. It is the coder of Witten, Neal and Cleary, "Arithmetic coding for data
compression" (1987), with 32-bit bounds and another ending.
"""

from __future__ import annotations

from ..errors import DamagedError

MASK = 0xFFFF_FFFF
HALF = 0x8000_0000
QUARTER = 0x4000_0000


class ArithmeticEncoder:
    """Codes symbols, each as an interval of a total of at most 2^30."""

    def __init__(self) -> None:
        self._low = 0
        self._high = MASK
        # Bits that are known to follow the next one, and to be its complement.
        self._pending = 0
        self._bits: list[int] = []

    def encode(self, low: int, high: int, total: int) -> None:
        """Code the symbol that owns `low` to `high` - 1 out of `total`."""
        span = self._high - self._low + 1
        self._high = self._low + high * span // total - 1
        self._low = self._low + low * span // total
        while True:
            if (self._low ^ self._high) & HALF == 0:
                bit = self._low >> 31
                self._bits.append(bit)
                self._bits.extend([1 - bit] * self._pending)
                self._pending = 0
                self._low = self._low << 1 & MASK
                self._high = (self._high << 1 & MASK) | 1
            elif self._low & QUARTER and not self._high & QUARTER:
                self._pending += 1
                self._low = (self._low & HALF) | (self._low << 1 & HALF - 1)
                self._high = (self._high & HALF) | (self._high << 1 & HALF - 1) | 1
            else:
                return

    def finish(self) -> bytes:
        """End the message: a single 1 bit, and zeros up to the end of its byte."""
        bits = [*self._bits, 1]
        bits += [0] * (-len(bits) % 8)
        return int("".join(map(str, bits)), 2).to_bytes(len(bits) // 8, "big")


class ArithmeticDecoder:
    """Decodes what `ArithmeticEncoder` wrote.

    For each symbol ask `value` where in the total it lies, find the symbol that owns this, and call `decode`.
    Any bytes decode to some symbols; `finish` tells whether an encoder coded these.
    """

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._low = 0
        self._high = MASK
        self._code = int.from_bytes(message[:4].ljust(4, b"\0"), "big")
        self._next_bit = 32
        # What the encoder had written for the symbols so far, and what it had pending.
        self._written = 0
        self._pending = 0

    def value(self, total: int) -> int:
        """A number below `total` that the next symbol owns."""
        span = self._high - self._low + 1
        return ((self._code - self._low + 1) * total - 1) // span

    def decode(self, low: int, high: int, total: int) -> None:
        """Step over the symbol that owns `low` to `high` - 1 out of `total`."""
        span = self._high - self._low + 1
        self._high = self._low + high * span // total - 1
        self._low = self._low + low * span // total
        while True:
            if (self._low ^ self._high) & HALF == 0:
                self._written += 1 + self._pending
                self._pending = 0
                self._low = self._low << 1 & MASK
                self._high = (self._high << 1 & MASK) | 1
                self._code = (self._code << 1 & MASK) | self._read_bit()
            elif self._low & QUARTER and not self._high & QUARTER:
                self._pending += 1
                self._low = (self._low & HALF) | (self._low << 1 & HALF - 1)
                self._high = (self._high & HALF) | (self._high << 1 & HALF - 1) | 1
                self._code = (self._code & HALF) | (self._code << 1 & HALF - 1) | self._read_bit()
            else:
                return

    def finish(self) -> None:
        """Check that the message ends here: a 1 bit, and zeros to the end of this byte, which is the last.

        Raises `DamagedError` if not.
        """
        length = self._written // 8 + 1
        if len(self._message) != length:
            raise DamagedError(
                f"{len(self._message)} bytes of coded data, but the symbols decoded from them take {length}"
            )
        if self._message[-1] & (0xFF >> self._written % 8) != 0x80 >> self._written % 8:
            raise DamagedError(f"coded data do not end in a 1 bit and zeros at bit {self._written}")

    def _read_bit(self) -> int:
        """The next bit, highest of each byte first; zeros after the last byte."""
        index, self._next_bit = self._next_bit, self._next_bit + 1
        if index >> 3 >= len(self._message):
            return 0
        return self._message[index >> 3] >> (~index & 7) & 1
