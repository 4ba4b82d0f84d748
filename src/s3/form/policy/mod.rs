//! A form's policy document: what its signer allows, and whether a form keeps to it. Pure.
//!
//! AWS S3 API Reference, "POST Policy". The messages are S3's own.

use std::fmt;
use std::time::SystemTime;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde_json::Value;

use super::fields::Fields;
use crate::s3::error::{Code, Refusal};
use crate::types::BucketName;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Fields that no condition needs to cover: what signs the form, and what is no field of the object.
const FREE: [&str; 5] = [
    "x-amz-signature",
    "awsaccesskeyid",
    "signature",
    "file",
    "policy",
];
const IGNORED: &str = "x-ignore-";

const LENGTH_RANGE: &str = "content-length-range";

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

/// What a form must keep to; names and values as the policy has them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Equal(String, String),
    StartsWith(String, String),
    /// The file's length in bytes, as the policy has it.
    Length(Bound, Bound),
}

/// A bound of a length: a number, or text that should be one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bound {
    Number(u64),
    Text(String),
}

impl Policy {
    /// Reads a policy from the base64 that a form carries.
    ///
    /// # Errors
    /// InvalidPolicyDocument.
    pub(super) fn parse(encoded: &str) -> Result<Self, Refusal> {
        let encoded: String = encoded.split_ascii_whitespace().collect();
        let text = BASE64.decode(encoded).map_err(|_| no_json())?;
        let Ok(Value::Object(members)) = serde_json::from_slice(&text) else {
            return Err(no_json());
        };
        let (mut expiration, mut conditions) = (None, None);
        for (name, value) in members {
            match name.as_str() {
                "expiration" => expiration = Some(moment(&value)?),
                "conditions" => conditions = Some(list(&value)?),
                _ => return Err(invalid(format!("Unexpected: '{}'", name.to_lowercase()))),
            }
        }
        Ok(Self {
            expiration: expiration.ok_or_else(|| invalid("Policy missing expiration."))?,
            conditions: conditions.ok_or_else(|| invalid("Policy missing conditions."))?,
        })
    }

    /// Checks a form to `bucket` against the policy, without its file.
    ///
    /// # Errors
    /// AccessDenied, with what is wrong.
    pub(super) fn check(
        &self,
        bucket: &BucketName,
        fields: &Fields,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        if Timestamp::try_from(now).is_ok_and(|now| now > self.expiration) {
            return Err(violated("Policy expired."));
        }
        let value = |name: &str| {
            if name.eq_ignore_ascii_case("bucket") {
                Some(bucket.as_str())
            } else {
                fields.get(name)
            }
        };
        let broken = self
            .conditions
            .iter()
            .find(|condition| !condition.holds(value));
        if let Some(condition) = broken {
            return Err(failed(condition));
        }
        let is_extra = |name: &&str| !is_free(name) && !self.covers(name);
        let extra: Vec<&str> = std::iter::once("bucket")
            .chain(
                fields
                    .names()
                    .filter(|name| !name.eq_ignore_ascii_case("bucket")),
            )
            .filter(is_extra)
            .collect();
        if extra.is_empty() {
            Ok(())
        } else {
            Err(violated(format!(
                "Extra input fields: {}",
                extra.join(", ")
            )))
        }
    }

    /// Checks the file's length in bytes.
    ///
    /// # Errors
    /// EntityTooSmall or EntityTooLarge.
    pub(super) fn check_length(&self, length: u64) -> Result<(), Refusal> {
        for condition in &self.conditions {
            let Condition::Length(Bound::Number(least), Bound::Number(most)) = condition else {
                continue;
            };
            if length > *most {
                return Err(Refusal::new(Code::EntityTooLarge)
                    .with("ProposedSize", length.to_string())
                    .with("MaxSizeAllowed", most.to_string()));
            }
            if length < *least {
                return Err(Refusal::new(Code::EntityTooSmall)
                    .with("ProposedSize", length.to_string())
                    .with("MinSizeAllowed", least.to_string()));
            }
        }
        Ok(())
    }

    fn covers(&self, name: &str) -> bool {
        self.conditions.iter().any(|condition| {
            let covered = condition.field();
            covered.is_some_and(|covered| covered.eq_ignore_ascii_case(name))
        })
    }
}

fn is_free(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FREE.contains(&name.as_str()) || name.starts_with(IGNORED)
}

impl Condition {
    /// The name of the field that is spoken of.
    fn field(&self) -> Option<&str> {
        match self {
            Self::Equal(name, _) | Self::StartsWith(name, _) => name.strip_prefix('$'),
            Self::Length(..) => None,
        }
    }

    /// Whether it holds, as far as fields can tell. A field that is not there keeps to no condition.
    fn holds<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        let value = || self.field().and_then(&value);
        match self {
            Self::Equal(_, wanted) => value() == Some(wanted),
            Self::StartsWith(name, prefix) => value().is_some_and(|value| {
                if name.eq_ignore_ascii_case("$Content-Type") {
                    // A list of types, of which each must begin so.
                    value.split(',').all(|each| each.trim().starts_with(prefix))
                } else {
                    value.starts_with(prefix)
                }
            }),
            Self::Length(least, most) => {
                matches!((least, most), (Bound::Number(_), Bound::Number(_)))
            }
        }
    }

    fn parse(value: &Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(members) => {
                let mut members = members.iter();
                let (Some((name, value)), None) = (members.next(), members.next()) else {
                    return Err(invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                    ));
                };
                match value {
                    Value::String(text) => Ok(Self::Equal(format!("${name}"), text.clone())),
                    Value::Null => Err(no_json()),
                    _ => Err(invalid("Invalid Simple-Condition: value must be a string.")),
                }
            }
            Value::Array(items) => Self::operation(items),
            _ => Err(invalid("Invalid condition test: must be a List or Object.")),
        }
    }

    fn operation(items: &[Value]) -> Result<Self, Refusal> {
        let Some((operation, operands)) = items.split_first() else {
            return Err(invalid("Invalid Condition: missing operation identifier."));
        };
        let name = operation.as_str().ok_or_else(no_json)?;
        let lower = name.to_ascii_lowercase();
        if !["eq", "starts-with", LENGTH_RANGE].contains(&lower.as_str()) {
            return Err(invalid(format!(
                "Invalid Condition: unknown operation '{name}'."
            )));
        }
        let [first, second] = operands else {
            return Err(invalid(format!(
                "Invalid {lower}: wrong number of arguments."
            )));
        };
        if lower == LENGTH_RANGE {
            return Ok(Self::Length(Bound::parse(first)?, Bound::parse(second)?));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(no_json);
        let (field, value) = (text(first)?, text(second)?);
        Ok(match lower.as_str() {
            "eq" => Self::Equal(field, value),
            _ => Self::StartsWith(field, value),
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| Value::from(text).to_string();
        match self {
            Self::Equal(name, value) => write!(f, "[\"eq\", {}, {}]", quoted(name), quoted(value)),
            Self::StartsWith(name, prefix) => {
                write!(f, "[\"starts-with\", {}, {}]", quoted(name), quoted(prefix))
            }
            Self::Length(least, most) => write!(f, "[\"{LENGTH_RANGE}\", {least}, {most}]"),
        }
    }
}

impl Bound {
    fn parse(value: &Value) -> Result<Self, Refusal> {
        match value {
            Value::Number(number) => match number.as_u64() {
                Some(number) => Ok(Self::Number(number)),
                None if number.is_i64() => Err(invalid("Token - must be enclosed in quotes.")),
                None => Err(no_json()),
            },
            Value::String(text) => Ok(match text.parse() {
                Ok(number) => Self::Number(number),
                Err(_) => Self::Text(text.clone()),
            }),
            _ => Err(no_json()),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "\"{number}\""),
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
        }
    }
}

/// An expiration: ISO 8601 in UTC, with `T` and `Z`, and nothing else.
fn moment(value: &Value) -> Result<Timestamp, Refusal> {
    let text = value.as_str().ok_or_else(no_json)?;
    let refused = || invalid(format!("Invalid 'expiration' value: '{text}'"));
    if text.as_bytes().get(10) != Some(&b'T') || !text.ends_with('Z') {
        return Err(refused());
    }
    text.parse().map_err(|_| refused())
}

fn list(value: &Value) -> Result<Vec<Condition>, Refusal> {
    let Value::Array(items) = value else {
        return Err(invalid("Invalid 'conditions' value: must be a List."));
    };
    items.iter().map(Condition::parse).collect()
}

fn no_json() -> Refusal {
    invalid("Invalid JSON.")
}

fn invalid(what: impl AsRef<str>) -> Refusal {
    let message = format!("Invalid Policy: {}", what.as_ref());
    Refusal::because(Code::InvalidPolicyDocument, message)
}

fn failed(condition: &Condition) -> Refusal {
    violated(format!("Policy Condition failed: {condition}"))
}

fn violated(what: impl AsRef<str>) -> Refusal {
    let message = format!("Invalid according to Policy: {}", what.as_ref());
    Refusal::because(Code::AccessDenied, message)
}

#[cfg(test)]
mod tests;
