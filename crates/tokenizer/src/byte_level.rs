//! The spelling of bytes in the files of other tokenizers.

/// The bytes that a token stands for in the spelling of GPT-2, in which most byte-level tokenizers are published; None if
/// it has a character that stands for no byte.
///
/// Each byte is one character. The printable characters of Latin-1 stand for the bytes of the same value; the other 68
/// bytes, in their order, are the characters from U+0100 on. So `Ġ`, U+0120, is the space.
///
/// ```
/// use czip_tokenizer::bytes_of_gpt2_spelling;
///
/// assert_eq!(bytes_of_gpt2_spelling("Ġcafé"), Some(b" caf\xe9".to_vec()));
/// assert_eq!(bytes_of_gpt2_spelling(" "), None);
/// ```
pub fn bytes_of_gpt2_spelling(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(code as u8),
        // 0 to 20h, 7Fh to A0h, and ADh.
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let mut spelled: Vec<u8> = ('\0'..=char::MAX).filter_map(byte_of).collect();
        assert_eq!(spelled.len(), 256);
        spelled.sort_unstable();
        assert!(spelled.into_iter().eq(0..=255));
    }

    #[test]
    fn characters_are_those_of_gpt2() {
        let cases = [
            ('\u{100}', 0),
            ('\u{10a}', b'\n'),
            ('\u{120}', b' '),
            ('!', b'!'),
            ('~', b'~'),
            ('\u{121}', 0x7f),
            ('\u{142}', 0xa0),
            ('\u{a1}', 0xa1),
            ('\u{143}', 0xad),
            ('\u{ff}', 0xff),
        ];
        for (character, byte) in cases {
            assert_eq!(byte_of(character), Some(byte), "{character}");
        }
    }
}
