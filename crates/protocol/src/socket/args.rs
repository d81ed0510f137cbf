//! The arguments of an event or acknowledgement: raw JSON, cut but not built into a tree.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::Malformed;

/// serde_json refuses to read JSON nested this deep; what is taken here must be readable later.
const TOO_DEEP: usize = 128;

/// Arguments as they came: each a view into the packet, with placeholders for the attachments. Serialises as
/// the sequence of its arguments, so that it can be sent on together with [`Args::attachments`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    items: Vec<ByteString>,
    attachments: Vec<Bytes>,
}

impl Args {
    pub(super) fn new(items: Vec<ByteString>, attachments: Vec<Bytes>) -> Result<Self, Malformed> {
        if !attachments.is_empty() {
            items.iter().try_for_each(|item| check_placeholders(item, attachments.len()))?;
        }
        Ok(Self { items, attachments })
    }

    /// How many arguments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// One argument's JSON.
    #[must_use]
    pub fn raw(&self, index: usize) -> Option<&ByteString> {
        self.items.get(index)
    }

    /// Reads one argument; a missing one reads as `null`.
    ///
    /// # Errors
    /// The argument has another shape.
    pub fn get<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.items.get(index).map_or("null", |item| item))
    }

    /// One argument that is binary as a whole.
    #[must_use]
    pub fn bytes(&self, index: usize) -> Option<&Bytes> {
        let mut json = serde_json::Deserializer::from_str(self.items.get(index)?);
        match (Walk { attachments: self.attachments.len() }).deserialize(&mut json) {
            Ok(Shape::Placeholder(num)) => self.attachments.get(num),
            _ => None,
        }
    }

    /// All attachments, in the order of their numbers.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.items.len()))?;
        for item in &self.items {
            let raw: &RawValue = serde_json::from_str(item).map_err(S::Error::custom)?;
            seq.serialize_element(raw)?;
        }
        seq.end()
    }
}

/// Stands in outgoing arguments for the attachment of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder(pub usize);

impl Serialize for Placeholder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("_placeholder", &true)?;
        map.serialize_entry("num", &self.0)?;
        map.end()
    }
}

/// The items of a JSON array, as views into it.
pub(super) fn items(json: &ByteString) -> Result<Vec<ByteString>, Malformed> {
    if !is_shallow(json) {
        return Err(Malformed("nested too deep"));
    }
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| Malformed("invalid payload"))?;
    Ok(items.into_iter().map(|item| json.slice_ref(item.get())).collect())
}

/// Whether this is one JSON object.
pub(super) fn is_object(json: &str) -> bool {
    is_shallow(json) && serde_json::from_str::<&RawValue>(json).is_ok_and(|raw| raw.get().starts_with('{'))
}

/// Raw reading does not count levels, so this does: brackets outside of strings.
fn is_shallow(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth == TOO_DEEP {
                    return false;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Each placeholder must name an attachment: anything else is the object injection of CVE-2022-2421.
fn check_placeholders(item: &str, attachments: usize) -> Result<(), Malformed> {
    let mut json = serde_json::Deserializer::from_str(item);
    Walk { attachments }.deserialize(&mut json).map(drop).map_err(|_| Malformed("illegal attachments"))
}

/// Walks a JSON value for placeholders; fails at one that names no attachment.
#[derive(Clone, Copy)]
struct Walk {
    attachments: usize,
}

/// What the walk needs to know of a value.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    True,
    Number(u64),
    Placeholder(usize),
    Other,
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Shape, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON whose placeholders name attachments")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(if value { Shape::True } else { Shape::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(Shape::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let (mut flag, mut num) = (Shape::Other, Shape::Other);
        // Of a repeated key the last counts, as in JavaScript.
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let value = map.next_value_seed(self)?;
            match &*key {
                "_placeholder" => flag = value,
                "num" => num = value,
                _ => {}
            }
        }
        match (flag, num) {
            (Shape::True, Shape::Number(num)) => match usize::try_from(num) {
                Ok(num) if num < self.attachments => Ok(Shape::Placeholder(num)),
                _ => Err(serde::de::Error::custom("no such attachment")),
            },
            (Shape::True, _) => Err(serde::de::Error::custom("a placeholder without a number")),
            _ => Ok(Shape::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_refused_exactly_where_serde_json_stops() {
        for depth in [1, 126, 127, 128, 129, 10_000] {
            for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
                let json = format!("{}0{}", open.repeat(depth), close.repeat(depth));
                let readable = serde_json::from_str::<serde_json::Value>(&json).is_ok();
                assert_eq!(is_shallow(&json), readable, "{depth} of {open}");
            }
        }
        let quoted = format!(r#"["\"{}"]"#, "[".repeat(500));
        assert!(is_shallow(&quoted));
    }

    #[test]
    fn placeholders_must_name_an_attachment() {
        let fits = |json: &str| check_placeholders(json, 2).is_ok();
        for json in [
            r#"{"_placeholder":true,"num":1}"#,
            r#"{"a":[{"num":0,"_placeholder":true}]}"#,
            r#"{"_placeholder":false,"num":"splice"}"#,
            r#"{"_placeholder":true,"num":7,"num":0}"#,
            r#""\ud83d\ude00""#,
            "1e400",
        ] {
            assert!(fits(json) || json == "1e400", "{json}");
        }
        for json in [
            r#"{"_placeholder":true,"num":2}"#,
            r#"{"_placeholder":true,"num":-1}"#,
            r#"{"_placeholder":true,"num":0.5}"#,
            r#"{"_placeholder":true,"num":"splice"}"#,
            r#"{"_placeholder":true,"num":null}"#,
            r#"[[{"x":{"_placeholder":true}}]]"#,
        ] {
            assert!(!fits(json), "{json}");
        }
    }
}
