//! MessagePack, as notepack writes it, to JSON: one walk, and nothing is allocated for what a length only announces
//! (RUSTSEC-2017-0006). A Date becomes the text that JavaScript's JSON has for it, binary becomes attachments with
//! placeholders in their places (Socket.IO protocol v5, "Packet encoding").

use std::borrow::Cow;

use carillon_domain::Timestamp;
use rmp::{Marker, decode};

use super::Ignored;

/// The most bytes, as MessagePack and as JSON.
pub(super) const MOST_BYTES: usize = 128 * 1024;
/// The most levels.
const MOST_DEPTH: usize = 64;
/// What the official client counts attachments up to.
const MOST_ATTACHMENTS: usize = 10;
/// The type of the extension that holds a time (MessagePack specification, "Timestamp extension type").
const TIMESTAMP: i8 = -1;

/// A message in JSON.
pub(super) struct Json {
    pub(super) text: String,
    pub(super) attachments: Vec<Vec<u8>>,
}

/// Reads one value that fills the message.
pub(super) fn to_json(message: &[u8]) -> Result<Json, Ignored> {
    if message.len() > MOST_BYTES {
        return Err(Ignored::Size);
    }
    let mut walk = Walk { rest: message, json: Json { text: String::new(), attachments: Vec::new() } };
    let mut has_placeholder = false;
    walk.value(0, &mut has_placeholder)?;
    // One that was sent as such would be taken for ours (CVE-2022-2421).
    let is_forged = has_placeholder && !walk.json.attachments.is_empty();
    if is_forged || !walk.rest.is_empty() { Err(Ignored::Form) } else { Ok(walk.json) }
}

struct Walk<'a> {
    rest: &'a [u8],
    json: Json,
}

fn form<E>(_: E) -> Ignored {
    Ignored::Form
}

impl<'a> Walk<'a> {
    fn value(&mut self, depth: usize, has_placeholder: &mut bool) -> Result<(), Ignored> {
        if depth > MOST_DEPTH || self.json.text.len() > MOST_BYTES {
            return Err(Ignored::Size);
        }
        let marker = self.rest.first().copied().map(Marker::from_u8).ok_or(Ignored::Form)?;
        match marker {
            Marker::Null => {
                decode::read_nil(&mut self.rest).map_err(form)?;
                self.write("null");
            }
            Marker::True | Marker::False => {
                let is = decode::read_bool(&mut self.rest).map_err(form)?;
                self.write(if is { "true" } else { "false" });
            }
            Marker::F32 => {
                let number = decode::read_f32(&mut self.rest).map_err(form)?;
                self.float(number.into());
            }
            Marker::F64 => {
                let number = decode::read_f64(&mut self.rest).map_err(form)?;
                self.float(number);
            }
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let text = self.text()?;
                self.quote(&text);
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => self.binary()?,
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.array(depth, has_placeholder)?,
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.map(depth, has_placeholder)?,
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => self.extension()?,
            // An integer of any width, or the one marker that is none.
            _ => {
                let number: i128 = decode::read_int(&mut self.rest).map_err(form)?;
                self.write(&number.to_string());
            }
        }
        Ok(())
    }

    fn array(&mut self, depth: usize, has_placeholder: &mut bool) -> Result<(), Ignored> {
        let length = decode::read_array_len(&mut self.rest).map_err(form)?;
        for n in 0..length {
            self.write(if n == 0 { "[" } else { "," });
            self.value(depth + 1, has_placeholder)?;
        }
        self.write(if length == 0 { "[]" } else { "]" });
        Ok(())
    }

    fn map(&mut self, depth: usize, has_placeholder: &mut bool) -> Result<(), Ignored> {
        let length = decode::read_map_len(&mut self.rest).map_err(form)?;
        for n in 0..length {
            self.write(if n == 0 { "{" } else { "," });
            let key = self.text()?;
            *has_placeholder |= key == "_placeholder";
            self.quote(&key);
            self.write(":");
            self.value(depth + 1, has_placeholder)?;
        }
        self.write(if length == 0 { "{}" } else { "}" });
        Ok(())
    }

    fn binary(&mut self) -> Result<(), Ignored> {
        let length = decode::read_bin_len(&mut self.rest).map_err(form)?;
        let bytes = self.bytes(length)?.to_vec();
        let number = self.json.attachments.len();
        if number == MOST_ATTACHMENTS {
            return Err(Ignored::Attachments);
        }
        self.json.attachments.push(bytes);
        self.write(&format!("{{\"_placeholder\":true,\"num\":{number}}}"));
        Ok(())
    }

    fn extension(&mut self) -> Result<(), Ignored> {
        let meta = decode::read_ext_meta(&mut self.rest).map_err(form)?;
        let bytes = self.bytes(meta.size)?;
        if meta.typeid != TIMESTAMP {
            return Err(Ignored::Form);
        }
        match time(bytes)? {
            Some(at) => self.quote(&at.to_string()),
            None => self.write("null"),
        }
        Ok(())
    }

    /// What is not UTF-8, such as half of a surrogate pair, becomes U+FFFD, as in Node.
    fn text(&mut self) -> Result<Cow<'a, str>, Ignored> {
        let length = decode::read_str_len(&mut self.rest).map_err(form)?;
        self.bytes(length).map(String::from_utf8_lossy)
    }

    fn bytes(&mut self, length: u32) -> Result<&'a [u8], Ignored> {
        let length = usize::try_from(length).map_err(form)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Ignored::Form)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn float(&mut self, number: f64) {
        // JSON has neither NaN nor infinities.
        let number = serde_json::Number::from_f64(number).map_or("null".to_owned(), |n| n.to_string());
        self.write(&number);
    }

    fn quote(&mut self, text: &str) {
        // A text always serialises.
        self.json.text.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    fn write(&mut self, json: &str) {
        self.json.text.push_str(json);
    }
}

/// The three forms of a timestamp; `None` for one outside of our calendar.
fn time(bytes: &[u8]) -> Result<Option<Timestamp>, Ignored> {
    let (seconds, nanos) = if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        (i64::from(u32::from_be_bytes(bytes)), 0)
    } else if let Ok(bytes) = <[u8; 8]>::try_from(bytes) {
        let both = u64::from_be_bytes(bytes);
        ((both & 0x3_ffff_ffff).cast_signed(), both >> 34)
    } else if let Some((nanos, seconds)) = bytes.split_first_chunk::<4>() {
        let seconds = <[u8; 8]>::try_from(seconds).map_err(form)?;
        (i64::from_be_bytes(seconds), u64::from(u32::from_be_bytes(*nanos)))
    } else {
        return Err(Ignored::Form);
    };
    let millis = i64::try_from(nanos / 1_000_000).map_err(form)?;
    Ok(seconds.checked_mul(1_000).and_then(|s| s.checked_add(millis)).and_then(Timestamp::from_millis))
}
