//! Numbers in as few bytes as they need (LEB128): seven bits a byte, the lowest first; bit 7 is set in all but the
//! last.

/// The most bytes of a number of 32 bits.
const MAX_LEN: u32 = 5;

/// Appends the bytes of `value`, 1 to 5.
pub(super) fn push(mut value: u32, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// How many bytes `value` takes, 1 to 5.
pub(super) fn len(value: u32) -> u32 {
    (value | 1).ilog2() / 7 + 1
}

/// Reads a number from bytes that `next` gives. `None` if it isn't in its shortest form or has more than 32 bits.
pub(super) fn read<E>(mut next: impl FnMut() -> Result<u8, E>) -> Result<Option<u32>, E> {
    let mut value = 0u64;
    for i in 0..MAX_LEN {
        let byte = next()?;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            let shortest = byte != 0 || i == 0;
            return Ok(u32::try_from(value).ok().filter(|_| shortest));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Option<(u32, usize)> {
        let mut rest = bytes;
        let value = read(|| {
            let (&first, tail) = rest.split_first().ok_or(())?;
            rest = tail;
            Ok::<_, ()>(first)
        });
        Some((value.ok()??, bytes.len() - rest.len()))
    }

    #[test]
    fn numbers_and_their_bytes() {
        for (value, expected) in [
            (0, &[0][..]),
            (1, &[1]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 1]),
            (1 << 21, &[0x80, 0x80, 0x80, 1]),
            (1 << 28, &[0x80, 0x80, 0x80, 0x80, 1]),
            (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut bytes = Vec::new();
            push(value, &mut bytes);
            assert_eq!(bytes, expected);
            assert_eq!(len(value) as usize, bytes.len());
            assert_eq!(parse(&bytes), Some((value, bytes.len())));
        }
    }

    #[test]
    fn other_forms_are_none() {
        for bytes in [
            &[0x80, 0][..],
            &[0xff, 0x80, 0],
            &[0x80, 0x80, 0x80, 0x80, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x10],
            &[0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x80],
            &[],
        ] {
            assert_eq!(parse(bytes), None, "{bytes:x?}");
        }
    }
}
