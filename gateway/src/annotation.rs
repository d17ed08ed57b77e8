//! What the codecs are told about a publication beside its payload, and what others see of a member
//! of a channel: who the client is, and tags. Compact, and only read on this server.
//!
//! A byte that says whether there is a client; user, id, connection info and channel info of that
//! client; then names and values of tags. Each is preceded by its length as a varint.

use alloc::vec::Vec;
use core::str;

use crate::client_protocol::ClientInfo;

/// What an annotation says.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Annotation<'a> {
    /// The client, if it is about one.
    pub(crate) info: Option<ClientInfo<'a>>,
    /// Tags, with their names.
    pub(crate) tags: Vec<(&'a str, &'a str)>,
}

/// Appends an annotation.
pub(crate) fn write(out: &mut Vec<u8>, info: Option<&ClientInfo<'_>>, tags: &[(&str, &str)]) {
    out.push(info.is_some().into());
    if let Some(info) = info {
        write_field(out, info.user.as_bytes());
        write_field(out, info.client.as_bytes());
        write_field(out, info.conn_info);
        write_field(out, info.chan_info);
    }
    for (name, value) in tags {
        write_field(out, name.as_bytes());
        write_field(out, value.as_bytes());
    }
}

/// Reads an annotation; an empty one says nothing. `None` if it is none.
pub(crate) fn read(annotation: &[u8]) -> Option<Annotation<'_>> {
    let Some((&has_info, mut rest)) = annotation.split_first() else {
        return Some(Annotation::default());
    };
    let info = match has_info {
        0 => None,
        _ => Some(ClientInfo {
            user: read_text(&mut rest)?,
            client: read_text(&mut rest)?,
            conn_info: read_field(&mut rest)?,
            chan_info: read_field(&mut rest)?,
        }),
    };
    let mut tags = Vec::new();
    while !rest.is_empty() {
        tags.push((read_text(&mut rest)?, read_text(&mut rest)?));
    }
    Some(Annotation { info, tags })
}

fn write_field(out: &mut Vec<u8>, field: &[u8]) {
    let mut len = field.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(field);
}

fn read_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut len = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        len |= usize::from(byte & 0x7F).checked_shl(shift)?;
        if byte < 0x80 {
            let (field, after) = rest.split_at_checked(len)?;
            *rest = after;
            return Some(field);
        }
    }
    None
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    str::from_utf8(read_field(rest)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let long = [b'x'; 20_000];
        let info = ClientInfo {
            user: "42",
            client: "1790000000000",
            conn_info: &long,
            chan_info: b"",
        };
        let tags = [("share", "17"), ("", "")];
        for (info, tags) in [
            (Some(info), &tags[..]),
            (Some(info), &[]),
            (None, &tags[..1]),
            (Some(ClientInfo::default()), &[]),
            (None, &[]),
        ] {
            let mut out = Vec::new();
            write(&mut out, info.as_ref(), tags);
            let expected = Annotation {
                info,
                tags: tags.to_vec(),
            };
            assert_eq!(read(&out), Some(expected));
        }
        assert_eq!(read(b""), Some(Annotation::default()));
    }

    #[test]
    fn what_is_cut_is_none() {
        let mut out = Vec::new();
        let info = ClientInfo {
            user: "42",
            client: "17",
            conn_info: b"{}",
            chan_info: b"5",
        };
        write(&mut out, Some(&info), &[("a", "b")]);
        let whole = out.len();
        for len in 1..whole {
            let is_before_tags = len == whole - 4;
            assert_eq!(read(&out[..len]).is_some(), is_before_tags, "{len}");
        }
        assert_eq!(
            read(&[
                1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF
            ]),
            None
        );
    }
}
