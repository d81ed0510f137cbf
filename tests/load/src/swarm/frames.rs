//! WebSocket frames (RFC 6455), as far as a client and a server of this machine need them: whole, and never compressed.

use anyhow::{Result, ensure};

/// A text frame that is whole, and a close frame.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
/// Clients mask with a key; this one leaves the bytes as they are.
const MASKED: u8 = 0x80;

/// The first frame in there: what it says, and where the next one begins. `None` until it is whole.
///
/// # Errors
/// When it is anything but a text frame.
pub(crate) fn next(bytes: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let [kind, short, rest @ ..] = bytes else { return Ok(None) };
    ensure!(*kind != CLOSE, "the server closed the WebSocket");
    ensure!(*kind == TEXT, "a frame of kind {kind:#x}");
    let (length, at) = match (short & !MASKED, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))?, 10)
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (usize::from(short), 2),
    };
    // A server sees masked frames; their key is zero, as below.
    let at = if short & MASKED == 0 { at } else { at + 4 };
    Ok(bytes.get(at..at + length).map(|text| (text, at + length)))
}

/// Appends a server's text frame.
pub(crate) fn unmasked(text: &[u8], out: &mut Vec<u8>) {
    header(text.len(), 0, out);
    out.extend_from_slice(text);
}

/// Appends a client's text frame, masked with a key of zeros.
pub(crate) fn masked(text: &[u8], out: &mut Vec<u8>) {
    header(text.len(), MASKED, out);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
}

fn header(length: usize, mask: u8, out: &mut Vec<u8>) {
    out.push(TEXT);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(mask | short),
        (_, Ok(length)) => {
            out.push(mask | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(mask | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_come_back_whole_and_never_before() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let text = vec![b'x'; length];
            for write in [masked, unmasked] {
                let mut bytes = Vec::new();
                write(&text, &mut bytes);
                let (whole, cut) = (bytes.len(), bytes.len() - 1);
                assert_eq!(next(&bytes[..cut]).unwrap(), None, "{length}");
                bytes.extend(b"next");
                assert_eq!(next(&bytes).unwrap(), Some((text.as_slice(), whole)), "{length}");
            }
        }
        assert!(next(&[0x88, 0]).is_err());
    }
}
