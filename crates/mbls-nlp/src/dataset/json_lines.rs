//! Texts and labels in JSON Lines files.

use crate::{Error, Result};
use mbls_io::{Label, OnError, Reading, Written};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// Reads the text and the label of every line that is not blank; only the texts if `label` is
/// `None`.
///
/// Lines end with LF or CRLF. A line is undecodable if it is not UTF-8, or if it is valid JSON
/// except for an unpaired surrogate (`\ud83d`).
pub(super) fn read(
    path: &Path,
    content: &[u8],
    text: &str,
    label: Option<&str>,
    on_error: OnError,
) -> Result<(Vec<String>, Vec<Label>, Reading)> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let (mut texts, mut labels, mut reading) = (Vec::new(), Vec::new(), Reading::default());
    for (bytes, line) in content.split_inclusive(|&byte| byte == b'\n').zip(1..) {
        reading.lines = line;
        if bytes.trim_ascii().is_empty() {
            reading.blank += 1;
            continue;
        }
        let object = match object(bytes, [text, label.unwrap_or(text)]) {
            Ok(object) => object,
            Err(Wrong::Undecodable(reason)) if on_error == OnError::Skip => {
                reading.left_out.count(line, format!("{reason} instead of text in UTF-8"));
                continue;
            }
            Err(Wrong::Undecodable(reason)) => {
                let found = format!("{reason} ({})", OnError::WAY_OUT);
                return Err(Error::format(
                    path,
                    format!("line {line}"),
                    "a JSON object in UTF-8",
                    found,
                ));
            }
            Err(Wrong::Json(error)) => {
                // The line number in the message of serde_json is relative to this line.
                let message = error.to_string();
                let message = message
                    .rsplit_once(" at line ")
                    .map_or(message.as_str(), |(message, _)| message);
                let found = format!("{message} in column {}", error.column());
                return Err(Error::format(path, format!("line {line}"), "a JSON object", found));
            }
        };
        let wrong = |name: &str, expected: &str, value: Option<&Value>| {
            let found = value.map_or("none".to_owned(), Value::to_string);
            Error::format(path, format!("line {line}: {name}"), expected, found)
        };
        let Some(Value::String(content)) = object.text else {
            return Err(wrong(text, "a text", object.text.as_ref()));
        };
        reading.records += 1;
        let Some(label) = label else {
            texts.push(content);
            continue;
        };
        let (written, name) = match &object.label {
            Some(Value::String(name)) => (Written::Text, name.trim().to_owned()),
            Some(Value::Bool(value)) => (Written::Boolean, value.to_string()),
            Some(Value::Number(number)) if !number.is_f64() => {
                (Written::Number, number.to_string())
            }
            other => return Err(wrong(label, "a name or a whole number", other.as_ref())),
        };
        if name.is_empty() {
            let found = format!("{name:?}, a missing label");
            return Err(Error::format(
                path,
                format!("line {line}: {label}"),
                "a name or a number",
                found,
            ));
        }
        texts.push(content);
        labels.push(Label { text: name, line, written });
    }
    Ok((texts, labels, reading))
}

/// The fields that are read.
struct Object {
    text: Option<Value>,
    label: Option<Value>,
}

enum Wrong {
    Undecodable(String),
    Json(serde_json::Error),
}

fn object(bytes: &[u8], names: [&str; 2]) -> Result<Object, Wrong> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Wrong::Undecodable("other bytes".to_owned()));
    };
    let parse = |text: &str| {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let object = deserializer.deserialize_map(Fields(names))?;
        deserializer.end().map(|()| object)
    };
    parse(text.trim_end()).map_err(|error| match without_lone_surrogates(text) {
        Cow::Owned(repaired) if parse(&repaired).is_ok() => {
            Wrong::Undecodable("half of a surrogate pair".to_owned())
        }
        _ => Wrong::Json(error),
    })
}

/// Reads two fields of an object. Each may occur at most once.
struct Fields<'a>([&'a str; 2]);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
        let mut found = [None, None];
        while let Some(key) = map.next_key::<String>()? {
            let Some(place) = self.0.iter().position(|name| *name == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if found[place].is_some() {
                return Err(serde::de::Error::custom(format!("the field {key:?} is there twice")));
            }
            found[place] = Some(map.next_value::<Value>()?);
        }
        let [text, label] = found;
        Ok(Object { text, label })
    }
}

/// Replaces each escape of an unpaired surrogate by the replacement character.
fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut repaired = String::new();
    let (mut copied, mut place) = (0, 0);
    let bytes = json.as_bytes();
    while let Some(offset) = bytes[place..].iter().position(|&byte| byte == b'\\') {
        place += offset;
        match escaped(&bytes[place..]) {
            Some(0xD800..=0xDBFF)
                if matches!(escaped(&bytes[place + 6..]), Some(0xDC00..=0xDFFF)) =>
            {
                place += 12;
            }
            Some(0xD800..=0xDFFF) => {
                repaired.push_str(&json[copied..place]);
                repaired.push('\u{fffd}');
                place += 6;
                copied = place;
            }
            Some(_) => place += 6,
            // A backslash and the character that it escapes.
            None => place = (place + 2).min(bytes.len()),
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    repaired.push_str(&json[copied..]);
    Cow::Owned(repaired)
}

/// Returns the code unit of an escape `\uXXXX`.
fn escaped(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u32::from_str_radix(digits, 16).ok()
}
