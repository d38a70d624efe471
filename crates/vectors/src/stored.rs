//! Streams of the outer codecs that hold their contents uncompressed: no version of a codec library changes these.

/// A zstd frame (RFC 8878) of one raw block.
///
/// # Panics
///
/// If the contents exceed the 128 KiB of a block.
#[must_use]
pub fn stored_zstd(contents: &[u8]) -> Vec<u8> {
    assert!(contents.len() <= 128 << 10, "{} bytes", contents.len());
    // The magic number; neither content size, checksum nor dictionary; a window of 2^17 bytes.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (17 - 10) << 3];
    // The last block, raw.
    let header = (contents.len() as u32) << 3 | 1;
    frame.extend_from_slice(&header.to_le_bytes()[..3]);
    frame.extend_from_slice(contents);
    frame
}

/// A brotli stream (RFC 7932) of one uncompressed meta-block and an empty one.
///
/// # Panics
///
/// If the contents exceed the 64 KiB of such a block.
#[must_use]
pub fn stored_brotli(contents: &[u8]) -> Vec<u8> {
    let Some(last) = contents.len().checked_sub(1) else {
        // A window of 2^16 bytes, then the last meta-block, which is empty.
        return vec![0b110];
    };
    assert!(last < 1 << 16, "{} bytes", contents.len());
    // From the lowest bit: a window of 2^16 bytes (1 bit), not the last (1), a length of four digits (2), the length
    // less one (16), uncompressed (1), then zeros up to the byte's end.
    let header = 1 << 20 | (last as u32) << 4;
    let mut stream = header.to_le_bytes()[..3].to_vec();
    stream.extend_from_slice(contents);
    stream.push(0b11);
    stream
}
