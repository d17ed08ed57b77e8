//! Fuzzes saved streams: any bytes with a right checksum, and so everything behind it. What is read is
//! written again as the same bytes, and takes no more memory than a small multiple of them.

use sha1::{Digest as _, Sha1};
use stentor_core::channels::{SavedError, SavedPart, SavedStreams, SavedWriter};

/// Any bytes as saved streams, and the same bytes behind a valid begin and before a valid checksum.
///
/// # Panics
/// If bytes are read that no writer writes, or too much memory would be taken.
pub fn saved(data: &[u8]) {
    // Whatever it is.
    let _ = check(data);
    let mut sealed = b"stentor streams\n\x01\0".to_vec();
    sealed.extend_from_slice(data);
    let checksum = Sha1::digest(&sealed);
    sealed.extend_from_slice(&checksum[..]);
    let read = check(&sealed);
    if sealed.len() >= 54 {
        assert!(!matches!(
            read,
            Err(SavedError::Foreign | SavedError::Checksum)
        ));
    }
}

fn check(bytes: &[u8]) -> Result<(), SavedError> {
    let read = SavedStreams::read(bytes)?;
    let mut writer = SavedWriter::new(read.saved_at, usize::MAX);
    let mut content = 0;
    for stream in &read.streams {
        assert_eq!(writer.push(stream), SavedPart::Whole);
        content += stream.channel.len();
        let mut offset = stream.offset - stream.publications.len() as u64;
        for publication in &stream.publications {
            offset += 1;
            assert_eq!(publication.offset, offset);
            content += publication.payload.len() + publication.annotation.len();
        }
        assert_eq!(stream.offset, offset);
    }
    assert!(content <= bytes.len());
    assert_eq!(writer.finish(), bytes);
    Ok(())
}
