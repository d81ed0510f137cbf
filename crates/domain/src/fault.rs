//! What is wrong with a body, all of it at once.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// One thing wrong with a document: where, as a JSON pointer (RFC 6901), and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The place, such as `/data/doctorId`; empty for the whole document.
    pub pointer: String,
    /// What is wrong, for a person; it never repeats the value.
    pub detail: String,
}

/// Everything wrong with a document; never empty when it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// A single fault.
    #[must_use]
    pub fn one(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(vec![Fault { pointer: pointer.into(), detail: detail.into() }])
    }

    /// The faults, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.pointer, fault.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Takes an object apart field by field, noting every fault on the way; what is left at the end is unknown.
pub(crate) struct Fields {
    map: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    pub(crate) fn of(document: Value) -> Result<Self, Faults> {
        match document {
            Value::Object(map) => Ok(Self { map, faults: Vec::new() }),
            _ => Err(Faults::one("", "must be a JSON object")),
        }
    }

    pub(crate) fn fault(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.faults.push(Fault { pointer: pointer.into(), detail: detail.into() });
    }

    /// Whether something is wrong with this place.
    pub(crate) fn has_fault(&self, pointer: &str) -> bool {
        self.faults.iter().any(|fault| fault.pointer == pointer)
    }

    /// The value of an optional field; `null` says the same as leaving it out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn require(&mut self, name: &str) -> Option<Value> {
        let value = self.take(name);
        if value.is_none() {
            self.fault(format!("/{name}"), "is required");
        }
        value
    }

    /// `value` made into a `T`; a failure is noted at `/name`.
    pub(crate) fn parse<T, E: fmt::Display>(
        &mut self,
        name: &str,
        value: Option<Value>,
        parse: impl FnOnce(Value) -> Result<T, E>,
    ) -> Option<T> {
        match parse(value?) {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                self.fault(format!("/{name}"), fault.to_string());
                None
            }
        }
    }

    /// The field `limit`: a whole number from 1 to `most`, or else `default`.
    pub(crate) fn limit(&mut self, default: u32, most: u32) -> u32 {
        let limit = self.take("limit");
        let limit = self.parse("limit", limit, |value| {
            (value.as_u64().and_then(|limit| u32::try_from(limit).ok()))
                .filter(|limit| (1..=most).contains(limit))
                .ok_or_else(|| format!("must be a whole number from 1 to {most}"))
        });
        limit.unwrap_or(default)
    }

    /// Ends the reading: unknown fields are faults too, so that a misspelt name is not silently ignored.
    pub(crate) fn finish(mut self) -> Result<(), Faults> {
        for name in self.map.keys() {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            self.faults.push(Fault { pointer, detail: "is not a known field".into() });
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(self.faults)) }
    }
}

/// A text field's value.
pub(crate) fn text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("must be a string"),
    }
}
