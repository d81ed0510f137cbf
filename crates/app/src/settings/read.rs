//! Reads single settings out of three layers and gathers what is wrong with them.
//!
//! The built-in defaults lie under the file, the file under the environment. A [`Reader`] answers every question with some
//! value and notes a [`Fault`] where it had to make one up, so that all faults are told at once.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use secrecy::SecretString;

/// One thing wrong with the settings. `Display` is one line: the name as the environment spells it, then what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    name: String,
    what: String,
}

/// All that is wrong with the settings, never empty. `Display` is one line for each.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Faults(Vec<Fault>);

/// The layers, and what has been asked and found so far.
pub(super) struct Reader {
    layers: Figment,
    file_keys: BTreeSet<String>,
    asked: BTreeSet<&'static str>,
    faults: Vec<Fault>,
}

/// The environment as the top layer. Values stay text: a JWT_SECRET of digits alone must not turn into a number.
struct Environment(Dict);

impl Reader {
    /// Stacks the layers. Errs at once only when the file cannot be read or is no TOML.
    pub(super) fn new(
        defaults: &str,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        let file_layer = file.map_or(Ok(Dict::new()), read_file)?;
        let file_keys = file_layer.keys().cloned().collect();
        let layers = Figment::from(Toml::string(defaults))
            .merge(FileLayer(file_layer))
            .merge(Environment::new(environment));
        Ok(Self { layers, file_keys, asked: BTreeSet::new(), faults: Vec::new() })
    }

    /// Notes a fault of the setting `key`, once however often it is asked for.
    pub(super) fn fault(&mut self, key: &str, what: impl Into<String>) {
        let fault = Fault::new(key, what);
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// The text of a setting; `None` where it is unset or empty.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.value(key)? {
            Value::String(_, text) => Some(text).filter(|text| !text.is_empty()),
            _ => {
                self.fault(key, "must be text, in quotes");
                None
            }
        }
    }

    /// The text of a setting that must not be told to anyone.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        self.text(key).map(SecretString::from)
    }

    /// The text of a setting, parsed; a fault with the parser's words where it does not parse.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(&text).map_err(|what| self.fault(key, what)).ok()
    }

    /// A whole number in `range`; the start of the range where it is not.
    pub(super) fn number<T>(&mut self, key: &'static str, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<u64> + PartialOrd + Display + Copy,
    {
        self.optional_number(key, range.clone()).unwrap_or(*range.start())
    }

    /// A whole number in `range`, or `None` where it is unset.
    pub(super) fn optional_number<T>(&mut self, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + Display + Copy,
    {
        let value = self.value(key)?;
        let number = match &value {
            Value::String(_, text) => text.trim().parse().ok(),
            other => other.deserialize::<u64>().ok(),
        };
        let number = number.and_then(|n| T::try_from(n).ok()).filter(|n| range.contains(n));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let given = value.deserialize::<serde_json::Value>().unwrap_or_default();
            self.fault(key, format!("must be a whole number from {least} to {most}, not {given}"));
        }
        number
    }

    /// A list: an array of texts, or one text with commas. Entries are trimmed, empty ones left out.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<String> {
        let entries = match self.value(key) {
            None => Vec::new(),
            Some(Value::String(_, text)) => text.split(',').map(|entry| Some(entry.to_owned())).collect(),
            Some(Value::Array(_, values)) => values.into_iter().map(Value::into_string).collect(),
            Some(_) => vec![None],
        };
        let Some(entries) = entries.into_iter().collect::<Option<Vec<String>>>() else {
            self.fault(key, "must be a list of texts, or one text with commas between them");
            return Vec::new();
        };
        entries.iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
    }

    /// Ends the reading: the value if nothing was wrong. What the file names and nobody asked for is a fault too.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Faults> {
        let unknown: Vec<_> =
            self.file_keys.iter().filter(|key| !self.asked.contains(key.as_str())).cloned().collect();
        for key in unknown {
            self.faults.push(Fault {
                name: key,
                what: "there is no such setting (`carillon config` prints those there are)".to_owned(),
            });
        }
        if self.faults.is_empty() { Ok(value) } else { Err(Faults(self.faults)) }
    }

    /// The settings asked for so far.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &BTreeSet<&'static str> {
        &self.asked
    }

    fn value(&mut self, key: &'static str) -> Option<Value> {
        self.asked.insert(key);
        self.layers.find_value(key).ok()
    }
}

impl Environment {
    fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours =
            |name: &String| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let set = variables.into_iter().filter(|(name, value)| ours(name) && !value.is_empty());
        Self(set.map(|(name, value)| (name.to_ascii_lowercase(), Value::from(value))).collect())
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

/// The `--config` file, already parsed, so that its keys are known apart from the other layers'.
struct FileLayer(Dict);

impl Provider for FileLayer {
    fn metadata(&self) -> Metadata {
        Metadata::named("settings file")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

fn read_file(path: &Path) -> Result<Dict, Faults> {
    let fault = |what| Faults(vec![Fault { name: "--config".to_owned(), what }]);
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| fault(format!("cannot read {shown}: {e}")))?;
    toml::from_str(&text).map_err(|e: toml::de::Error| {
        // The parser's own Display draws the line, and the line may hold a secret.
        let line = e.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        fault(format!("{shown}, line {line}: {}", e.message().replace('\n', " ")))
    })
}

impl Fault {
    fn new(key: &str, what: impl Into<String>) -> Self {
        Self { name: key.to_ascii_uppercase(), what: what.into() }
    }
}

impl Faults {
    /// One fault of one setting.
    pub(crate) fn one(key: &str, what: impl Into<String>) -> Self {
        Self(vec![Fault::new(key, what)])
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

impl Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
