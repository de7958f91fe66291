//! The framing of TensorFlow's record files: each record is its length (8 bytes, little-endian), a checksum of the length,
//! the data, and a checksum of the data.

use crc32c::crc32c;

/// The bytes before the data: length and checksum.
const HEADER: usize = 12;
/// The bytes of a checksum.
const CHECKSUM: usize = 4;

/// Frames the data of a record.
pub fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// Splits the first record off, and returns its data and the bytes after it; `None` if it is incomplete or damaged.
pub fn unframed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (length, checksum) = header.split_at(HEADER - CHECKSUM);
    let size = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (data, rest) = rest.split_at_checked(size)?;
    let (data_checksum, rest) = rest.split_at_checked(CHECKSUM)?;
    (checksum == masked(length) && data_checksum == masked(data)).then_some((data, rest))
}

/// The CRC-32C, masked as the format demands, so that a record within a record has another checksum than its own.
fn masked(data: &[u8]) -> [u8; CHECKSUM] {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_bytes_that_tensorflow_writes() {
        // tensorboard.summary.writer.record_writer.RecordWriter(file).write(b"abc")
        assert_eq!(hex(&framed(b"abc")), "0300000000000000b099490e6162636e57f121");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn records_are_read_back_and_a_damaged_or_incomplete_one_is_none() {
        let bytes = [framed(b"one"), framed(b"")].concat();
        let (one, rest) = unframed(&bytes).unwrap();
        assert_eq!((one, unframed(rest)), (&b"one"[..], Some((&b""[..], &b""[..]))));
        for size in 0..framed(b"one").len() {
            assert_eq!(unframed(&bytes[..size]), None);
        }
        for place in 0..framed(b"one").len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            assert_eq!(unframed(&damaged), None, "byte {place}");
        }
    }
}
