//! Streams as data that outlives a process: a list, and its form as bytes with a version and a checksum.
//!
//! Reads and writes no file, and knows no clock: times are kept as what is left of them.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use crate::channels::publication::KeptPublication;
use crate::position::Epoch;
use crate::proto::ws::opcode::MessageType;
use crate::time::micros;

/// The stream of a channel: its position, and the publications that it keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavedStream {
    /// The channel.
    pub channel: Bytes,
    /// Which stream of the channel it is.
    pub epoch: Epoch,
    /// The offset of the newest publication, kept or not.
    pub offset: u64,
    /// How long publications are still kept.
    pub kept_for: Duration,
    /// How long the position is still known.
    pub known_for: Duration,
    /// The newest publications, the oldest first; their offsets are consecutive and end with that of
    /// the stream.
    pub publications: Vec<KeptPublication>,
}

/// Streams that were read back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavedStreams {
    /// When they were saved: the time since the Unix epoch.
    pub saved_at: Duration,
    /// The streams.
    pub streams: Vec<SavedStream>,
}

/// Why bytes are no saved streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SavedError {
    /// They are something else.
    Foreign,
    /// They have another version.
    Version(u16),
    /// The checksum differs: some bytes are missing or changed.
    Checksum,
    /// They have the right checksum and are malformed.
    Malformed,
}

impl SavedError {
    /// Returns the name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Version(_) => "version",
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it does not contain saved streams"),
            Self::Version(version) => write!(f, "its version is {version}, and not {VERSION}"),
            Self::Checksum => f.write_str("its checksum is wrong, so it is damaged"),
            Self::Malformed => f.write_str("it is malformed"),
        }
    }
}

impl core::error::Error for SavedError {}

/// Writes streams as bytes, up to a limit.
#[derive(Debug)]
pub struct SavedWriter {
    out: Vec<u8>,
    count: u64,
    max: usize,
}

/// How much of a stream was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SavedPart {
    /// All of it.
    Whole,
    /// Its position; there is no room for its publications.
    Position,
    /// Nothing.
    Nothing,
}

const MAGIC: &[u8] = b"stentor streams\n";
const VERSION: u16 = 1;
const COUNT_AT: usize = MAGIC.len() + 2 + 8;
const HEAD: usize = COUNT_AT + 8;
const CHECKSUM: usize = 20;

impl SavedWriter {
    /// Returns a writer of at most `max` bytes, and at least as many as no stream takes. `now` is the
    /// time since the Unix epoch.
    pub fn new(now: Duration, max: usize) -> Self {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(micros(now).to_le_bytes());
        out.extend(0_u64.to_le_bytes());
        Self { out, count: 0, max }
    }

    /// Adds a stream, as far as there is room.
    pub fn push(&mut self, stream: &SavedStream) -> SavedPart {
        let room = self.max.saturating_sub(self.out.len() + CHECKSUM);
        let of = |publication: &KeptPublication| {
            PUBLICATION + publication.payload.len() + publication.annotation.len()
        };
        let position = STREAM + stream.channel.len();
        let whole = position + stream.publications.iter().map(of).sum::<usize>();
        let part = match room {
            room if room >= whole => SavedPart::Whole,
            room if room >= position => SavedPart::Position,
            _ => return SavedPart::Nothing,
        };
        self.count += 1;
        put(&mut self.out, &stream.channel);
        self.out.extend(stream.epoch.as_str().as_bytes());
        self.out.extend(stream.offset.to_le_bytes());
        self.out.extend(micros(stream.kept_for).to_le_bytes());
        self.out.extend(micros(stream.known_for).to_le_bytes());
        let publications = match part {
            SavedPart::Whole => &stream.publications[..],
            _ => &[],
        };
        self.out.extend((publications.len() as u32).to_le_bytes());
        for publication in publications {
            self.out.push(match publication.kind {
                MessageType::Text => 1,
                MessageType::Binary => 2,
            });
            put(&mut self.out, &publication.payload);
            put(&mut self.out, &publication.annotation);
        }
        part
    }

    /// Returns the bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.out[COUNT_AT..HEAD].copy_from_slice(&self.count.to_le_bytes());
        let checksum = Sha1::digest(&self.out);
        self.out.extend(&checksum[..]);
        self.out
    }
}

/// Bytes of a stream without its name, and of a publication without its content.
const STREAM: usize = 4 + 8 + 8 + 8 + 8 + 4;
const PUBLICATION: usize = 1 + 4 + 4;

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

impl SavedStreams {
    /// Reads streams from bytes. Takes no more memory than a small multiple of their length.
    ///
    /// # Errors
    /// If they are not what a [`SavedWriter`] of this version has written.
    pub fn read(bytes: &[u8]) -> Result<Self, SavedError> {
        let (Some(rest), true) = (bytes.strip_prefix(MAGIC), bytes.len() >= HEAD + CHECKSUM) else {
            return match MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) {
                true => Err(SavedError::Checksum),
                false => Err(SavedError::Foreign),
            };
        };
        let version = u16::from_le_bytes([rest[0], rest[1]]);
        if version != VERSION {
            return Err(SavedError::Version(version));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if Sha1::digest(content)[..] != *checksum {
            return Err(SavedError::Checksum);
        }
        let mut reader = Reader(&content[MAGIC.len() + 2..]);
        reader.saved_streams().ok_or(SavedError::Malformed)
    }
}

/// The bytes that are still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn saved_streams(&mut self) -> Option<SavedStreams> {
        let saved_at = Duration::from_micros(self.u64()?);
        let mut streams = Vec::new();
        for _ in 0..self.u64()? {
            streams.push(self.stream()?);
        }
        self.0
            .is_empty()
            .then_some(SavedStreams { saved_at, streams })
    }

    fn stream(&mut self) -> Option<SavedStream> {
        let channel = Bytes::copy_from_slice(self.bytes()?);
        let epoch = core::str::from_utf8(self.take(8)?).ok()?;
        let epoch = Epoch::from_text(epoch);
        let offset = self.u64()?;
        let (kept_for, known_for) = (self.u64()?, self.u64()?);
        let count = self.u32()?;
        // The offset before the first.
        let base = offset.checked_sub(count.into())?;
        let mut publications = Vec::new();
        for at in 1..=u64::from(count) {
            let kind = match self.take(1)?[0] {
                1 => MessageType::Text,
                2 => MessageType::Binary,
                _ => return None,
            };
            publications.push(KeptPublication {
                offset: base + at,
                kind,
                payload: Bytes::copy_from_slice(self.bytes()?),
                annotation: Bytes::copy_from_slice(self.bytes()?),
            });
        }
        (epoch != Epoch::UNKNOWN).then(|| SavedStream {
            channel,
            epoch,
            offset,
            kept_for: Duration::from_micros(kept_for),
            known_for: Duration::from_micros(known_for),
            publications,
        })
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn stream(name: &'static [u8], offset: u64, payloads: &[&'static [u8]]) -> SavedStream {
        let base = offset - payloads.len() as u64;
        let publications = (1..).zip(payloads).map(|(at, payload)| KeptPublication {
            offset: base + at,
            kind: match at % 2 {
                0 => MessageType::Text,
                _ => MessageType::Binary,
            },
            payload: Bytes::from_static(payload),
            annotation: Bytes::from_static(b"who"),
        });
        SavedStream {
            channel: Bytes::from_static(name),
            epoch: Epoch::from_bits(offset),
            offset,
            kept_for: Duration::from_secs(7),
            known_for: Duration::from_millis(8_001),
            publications: publications.collect(),
        }
    }

    fn streams() -> Vec<SavedStream> {
        vec![
            stream(b"news", 9, &[b"a", b"", b"ccc"]),
            stream(b"", 0, &[]),
            stream(b"\xFF", u64::MAX, &[b"x"]),
        ]
    }

    fn write(streams: &[SavedStream], max: usize) -> (Vec<u8>, Vec<SavedPart>) {
        let mut writer = SavedWriter::new(Duration::from_secs(1_700_000_000), max);
        let parts = streams.iter().map(|stream| writer.push(stream)).collect();
        (writer.finish(), parts)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (bytes, parts) = write(&streams(), usize::MAX);
        assert_eq!(parts, [SavedPart::Whole; 3]);
        let read = SavedStreams::read(&bytes).expect("as written");
        assert_eq!(read.saved_at, Duration::from_secs(1_700_000_000));
        assert_eq!(read.streams, streams());
        assert!(SavedStreams::read(&write(&[], 0).0).is_ok(), "no streams");
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let (bytes, _) = write(&streams(), usize::MAX);
        for end in 0..bytes.len() {
            let error = SavedStreams::read(&bytes[..end]).expect_err("cut");
            assert_eq!(error, SavedError::Checksum, "{end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            let error = SavedStreams::read(&changed).expect_err("changed");
            let expected = match at {
                0..16 => SavedError::Foreign,
                16 => SavedError::Version(5),
                17 => SavedError::Version(1_025),
                _ => SavedError::Checksum,
            };
            assert_eq!(error, expected, "{at}");
        }
        assert_eq!(SavedStreams::read(b"{}"), Err(SavedError::Foreign));
    }

    #[test]
    fn within_a_limit_positions_stay_when_publications_do_not() {
        let long: &'static [u8] = &[b'x'; 1_000];
        let streams = [
            stream(b"a", 3, &[b"1"]),
            stream(b"b", 3, &[long]),
            stream(b"c", 3, &[]),
            stream(b"d", 3, &[b"1"]),
        ];
        for max in 0..1_500 {
            let (bytes, _) = write(&streams, max);
            assert!(bytes.len() <= max.max(HEAD + CHECKSUM), "{max}");
            let read = SavedStreams::read(&bytes).expect("well-formed");
            for stream in &read.streams {
                let of = |other: &&SavedStream| other.channel == stream.channel;
                let whole = streams.iter().find(of).expect("one of them");
                assert_eq!(stream.offset, whole.offset);
                assert!(stream.publications.is_empty() || stream == whole);
            }
        }
        let (_, parts) = write(&streams, 400);
        assert_eq!(
            parts,
            [
                SavedPart::Whole,
                SavedPart::Position,
                SavedPart::Whole,
                SavedPart::Whole
            ]
        );
        assert_eq!(write(&streams, 90).1, [SavedPart::Nothing; 4]);
    }
}
