//! Translation of a message of a client into lines of JSON. Nothing is allocated by the lengths that
//! the message claims, only by what is there: at most six bytes for one.

use alloc::vec::Vec;

use data_encoding::BASE64;
use rmp::Marker;

use super::MAX_DEPTH;
use crate::client_protocol::error::DecodeError;
use crate::client_protocol::json::writer::write_text;

type Read<T> = Result<T, DecodeError>;

/// Appends the commands of one WebSocket message as lines of JSON. Binary data become texts in base64.
///
/// # Errors
/// A value has no counterpart in JSON: extensions, keys that are no texts, infinity and NaN. Or it is
/// none, or too deep. The lines before are there.
pub fn to_lines(message: &[u8], lines: &mut Vec<u8>) -> Read<()> {
    let (start, mut rest) = (lines.len(), message);
    while !rest.is_empty() {
        let end = lines.len();
        if end > start {
            lines.push(b'\n');
        }
        let written = write_value(&mut rest, lines, MAX_DEPTH);
        if written.is_err() {
            lines.truncate(end);
            return written;
        }
    }
    Ok(())
}

fn write_value(rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) -> Read<()> {
    match read_marker(rest)? {
        Marker::Null => out.extend_from_slice(b"null"),
        Marker::False => out.extend_from_slice(b"false"),
        Marker::True => out.extend_from_slice(b"true"),
        Marker::FixPos(number) => write_integer(out, number),
        Marker::FixNeg(number) => write_integer(out, number),
        Marker::U8 => write_integer(out, u8::from_be_bytes(take(rest)?)),
        Marker::U16 => write_integer(out, u16::from_be_bytes(take(rest)?)),
        Marker::U32 => write_integer(out, u32::from_be_bytes(take(rest)?)),
        Marker::U64 => write_integer(out, u64::from_be_bytes(take(rest)?)),
        Marker::I8 => write_integer(out, i8::from_be_bytes(take(rest)?)),
        Marker::I16 => write_integer(out, i16::from_be_bytes(take(rest)?)),
        Marker::I32 => write_integer(out, i32::from_be_bytes(take(rest)?)),
        Marker::I64 => write_integer(out, i64::from_be_bytes(take(rest)?)),
        Marker::F32 => write_float(out, f32::from_be_bytes(take(rest)?).into())?,
        Marker::F64 => write_float(out, f64::from_be_bytes(take(rest)?))?,
        Marker::Bin8 => write_bytes(u8::from_be_bytes(take(rest)?).into(), rest, out)?,
        Marker::Bin16 => write_bytes(u16::from_be_bytes(take(rest)?).into(), rest, out)?,
        Marker::Bin32 => write_bytes(u32::from_be_bytes(take(rest)?), rest, out)?,
        Marker::FixArray(len) => write_array(len.into(), rest, out, depth)?,
        Marker::Array16 => write_array(u16::from_be_bytes(take(rest)?).into(), rest, out, depth)?,
        Marker::Array32 => write_array(u32::from_be_bytes(take(rest)?), rest, out, depth)?,
        Marker::FixMap(len) => write_map(len.into(), rest, out, depth)?,
        Marker::Map16 => write_map(u16::from_be_bytes(take(rest)?).into(), rest, out, depth)?,
        Marker::Map32 => write_map(u32::from_be_bytes(take(rest)?), rest, out, depth)?,
        marker @ (Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32) => {
            write_text(out, read_text(rest, marker)?);
        }
        Marker::Reserved
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32
        | Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16 => return Err(DecodeError::InvalidMessagePack),
    }
    Ok(())
}

fn write_array(len: u32, rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) -> Read<()> {
    let depth = depth
        .checked_sub(1)
        .ok_or(DecodeError::InvalidMessagePack)?;
    out.push(b'[');
    for n in 0..len {
        if n > 0 {
            out.push(b',');
        }
        write_value(rest, out, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn write_map(len: u32, rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) -> Read<()> {
    let depth = depth
        .checked_sub(1)
        .ok_or(DecodeError::InvalidMessagePack)?;
    out.push(b'{');
    for n in 0..len {
        if n > 0 {
            out.push(b',');
        }
        let marker = read_marker(rest)?;
        write_text(out, read_text(rest, marker)?);
        out.push(b':');
        write_value(rest, out, depth)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(number).as_bytes());
}

fn write_float(out: &mut Vec<u8>, number: f64) -> Read<()> {
    if !number.is_finite() {
        return Err(DecodeError::InvalidMessagePack);
    }
    let text = serde_json::to_vec(&number).map_err(|_| DecodeError::InvalidMessagePack)?;
    out.extend_from_slice(&text);
    Ok(())
}

fn write_bytes(len: u32, rest: &mut &[u8], out: &mut Vec<u8>) -> Read<()> {
    let bytes = take_slice(rest, len)?;
    write_text(out, &BASE64.encode(bytes));
    Ok(())
}

fn read_marker(rest: &mut &[u8]) -> Read<Marker> {
    let [byte] = take(rest)?;
    Ok(Marker::from_u8(byte))
}

fn read_text<'a>(rest: &mut &'a [u8], marker: Marker) -> Read<&'a str> {
    let len = match marker {
        Marker::FixStr(len) => len.into(),
        Marker::Str8 => u8::from_be_bytes(take(rest)?).into(),
        Marker::Str16 => u16::from_be_bytes(take(rest)?).into(),
        Marker::Str32 => u32::from_be_bytes(take(rest)?),
        _ => return Err(DecodeError::InvalidMessagePack),
    };
    core::str::from_utf8(take_slice(rest, len)?).map_err(|_| DecodeError::InvalidUtf8)
}

fn take_slice<'a>(rest: &mut &'a [u8], len: u32) -> Read<&'a [u8]> {
    let split = usize::try_from(len)
        .ok()
        .and_then(|len| rest.split_at_checked(len));
    let (slice, after) = split.ok_or(DecodeError::Truncated)?;
    *rest = after;
    Ok(slice)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Read<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
    *rest = after;
    Ok(*bytes)
}
