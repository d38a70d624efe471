"""The range coder of czip v2: decisions with probabilities in, bytes out, and back.

docs/spec/czip-v2.md, section 9. A probability is that of true, 1 to 65,535, in units of 2^-16.
"""

from __future__ import annotations

from ..errors import DamagedError

MASK = 0xFFFF_FFFF
# Below this the interval is scaled up, so that it keeps at least 24 bits.
SMALLEST_RANGE = 1 << 24


class RangeEncoder:
    """Codes decisions. The message is a number in an interval that each decision narrows."""

    def __init__(self) -> None:
        # The interval is from `digits`, then the four digits of `low`, up to `range` more.
        self._digits = bytearray()
        self._low = 0
        self._range = MASK

    def encode(self, decision: bool, probability: int) -> None:
        """Code `decision`, which was true with `probability`."""
        bound = self._range * probability >> 16
        if decision:
            self._range = bound
        else:
            self._low += bound
            self._range -= bound
            if self._low > MASK:
                self._low &= MASK
                self._carry()
        while self._range < SMALLEST_RANGE:
            self._digits.append(self._low >> 24)
            self._low = self._low << 8 & MASK
            self._range <<= 8

    def finish(self) -> bytes:
        """The message: the shortest number in the interval, and the lowest of these."""
        if self._low + self._range > MASK + 1:
            # A multiple of 2^32 lies in the interval, above `low`.
            self._carry()
        elif self._low != 0:
            # The range is at least 2^24, so one more digit is enough.
            self._digits.append(self._low + (1 << 24) - 1 >> 24)
            return bytes(self._digits)
        return bytes(self._digits.rstrip(b"\0"))

    def _carry(self) -> None:
        """Add one to the last digit, as on paper. The whole is below 1, so there is a digit that takes it."""
        index = len(self._digits) - 1
        while self._digits[index] == 255:
            self._digits[index] = 0
            index -= 1
        self._digits[index] += 1


class RangeDecoder:
    """Decodes what `RangeEncoder` wrote."""

    def __init__(self, message: bytes) -> None:
        """Raises `DamagedError` if no encoder can have written `message`."""
        self._message = message
        self._range = MASK
        # The message minus the lower end of the interval, in the interval's units.
        self._code = self._number(0)
        # The encoder's digits so far.
        self._digit_count = 0
        if self._code >= self._range:
            raise DamagedError("coded data begin with ff ff ff ff")

    def decode(self, probability: int) -> bool:
        """The next decision, which was true with `probability`."""
        bound = self._range * probability >> 16
        decision = self._code < bound
        if decision:
            self._range = bound
        else:
            self._code -= bound
            self._range -= bound
        while self._range < SMALLEST_RANGE:
            position = self._digit_count + 4
            digit = self._message[position] if position < len(self._message) else 0
            self._digit_count += 1
            self._range <<= 8
            self._code = self._code << 8 | digit
        return decision

    def finish(self) -> None:
        """Check that the message is the one that is prescribed for the decisions so far.

        Raises `DamagedError` if not.
        """
        low = self._number(self._digit_count) - self._code & MASK
        length = len(self._message)
        if low == 0 or low + self._range > MASK + 1:
            # There is a multiple of 2^32 in the interval, and just one. The message, which is in the interval
            # too, is that multiple if it has no digit beyond those that are settled.
            good = length <= self._digit_count and self._message[-1:] != b"\0"
        else:
            # With one more digit the message is a multiple of 2^24, and the lowest if it is less than 2^24
            # above `low`.
            good = length == self._digit_count + 1 and self._code < 1 << 24
        if not good:
            raise DamagedError(f"coded data of {length} bytes do not end as an encoder ends them")

    def _number(self, start: int) -> int:
        """Four digits of the message as a number. It goes on with zeros."""
        return int.from_bytes(self._message[start : start + 4].ljust(4, b"\0"), "big")
