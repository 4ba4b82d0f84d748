//! The access log for people: one short line per request, as `forebay dev` prints it.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// The target of access lines.
pub const TARGET: &str = "forebay::access";

/// Writes access lines as in `GetObject    demo/data.bin 206 8.0 MiB memory 1.2 ms`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(writer, "{line}")
    }
}

/// The fields of an access line that a person reads.
#[derive(Debug, Default)]
struct Line {
    operation: String,
    bucket: String,
    key: String,
    status: u64,
    bytes: u64,
    cache: String,
    duration_ms: f64,
    error_code: String,
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "duration_ms" {
            self.duration_ms = value;
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "status" => self.status = value,
            "bytes" => self.bytes = value,
            "duration_ms" => {
                self.duration_ms = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.record_u64(field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = match field.name() {
            "operation" => &mut self.operation,
            "bucket" => &mut self.bucket,
            "key" => &mut self.key,
            "cache" => &mut self.cache,
            "error_code" => &mut self.error_code,
            _ => return,
        };
        // Keys are the clients' text: control characters must not reach the terminal.
        text.extend(value.chars().flat_map(|letter| {
            let plain = (!letter.is_control()).then_some(letter);
            let escaped = letter.is_control().then(|| letter.escape_default());
            plain.into_iter().chain(escaped.into_iter().flatten())
        }));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        if write!(text, "{value:?}").is_err() {
            return;
        }
        match text.parse() {
            Ok(number) => self.record_u64(field, number),
            Err(_) => self.record_str(field, &text),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = match (&*self.bucket, &*self.key) {
            ("", _) => "-".to_owned(),
            (bucket, "") => bucket.to_owned(),
            (bucket, key) => format!("{bucket}/{key}"),
        };
        let (operation, status) = (&self.operation, self.status);
        write!(f, "{operation:<24} {object}  {status}")?;
        write!(f, "  {}  {}", Bytes(self.bytes), self.cache)?;
        write!(f, "  {:.1} ms", self.duration_ms)?;
        if !self.error_code.is_empty() {
            write!(f, "  {}", self.error_code)?;
        }
        Ok(())
    }
}

/// A number of bytes with one decimal, in the largest unit that keeps it at least 1.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.iter().find(|(shift, _)| self.0 >> shift > 0) {
            Some((shift, unit)) => {
                let tenths = (u128::from(self.0) * 10) >> shift;
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_asked_and_what_came_of_it() {
        let line = Line {
            operation: "GetObject".to_owned(),
            bucket: "demo".to_owned(),
            key: "data.bin".to_owned(),
            status: 206,
            bytes: 8 << 20,
            cache: "memory".to_owned(),
            duration_ms: 1.25,
            ..Line::default()
        };
        assert_eq!(
            line.to_string(),
            "GetObject                demo/data.bin  206  8.0 MiB  memory  1.2 ms"
        );
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(Bytes(1023).to_string(), "1023 B");
        assert_eq!(Bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(Bytes((1 << 30) - 1).to_string(), "1023.9 MiB");
    }
}
