//! The access log for people: one short line per request, as `forebay dev` prints it.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Writes access lines as in `GetObject  206  8.0 MiB  memory  1.2 ms  demo/data.bin`, in columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines;

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
    method: String,
    operation: String,
    bucket: String,
    key: String,
    status: u64,
    bytes: u64,
    cache: String,
    duration_ms: f64,
    error_code: String,
    /// Whether the body ended before its time: the client left, or the origin failed.
    unfinished: bool,
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

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "complete" {
            self.unfinished = !value;
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.record_u64(field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = match field.name() {
            "method" => &mut self.method,
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

impl Line {
    /// What was asked; where the request was refused before that was known, its method.
    fn asked(&self) -> &str {
        match &*self.operation {
            "" | "unknown" => &self.method,
            operation => operation,
        }
    }

    /// Where the answer came from, which says something of reads of objects only.
    fn source(&self) -> &str {
        match &*self.operation {
            "GetObject" | "HeadObject" if self.status < 400 => &self.cache,
            _ => "",
        }
    }

    fn size(&self) -> String {
        match self.bytes {
            0 => String::new(),
            bytes => Bytes(bytes).to_string(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, status, size) = (self.asked(), self.status, self.size());
        let (source, milliseconds) = (self.source(), self.duration_ms);
        write!(
            f,
            "{asked:<23} {status}  {size:>10}  {source:<11} {milliseconds:>8.1} ms"
        )?;
        match (&*self.bucket, &*self.key) {
            ("", _) => {}
            (bucket, "") => write!(f, "  {bucket}")?,
            (bucket, key) => write!(f, "  {bucket}/{key}")?,
        }
        // A body that cannot carry a code (HEAD) has the status for one.
        if !self.error_code.is_empty() && self.error_code != self.status.to_string() {
            write!(f, "  {}", self.error_code)?;
        }
        if self.unfinished {
            write!(f, "  unfinished")?;
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

    fn read() -> Line {
        Line {
            method: "GET".to_owned(),
            operation: "GetObject".to_owned(),
            bucket: "demo".to_owned(),
            key: "data.bin".to_owned(),
            status: 206,
            bytes: 8 << 20,
            cache: "memory".to_owned(),
            duration_ms: 1.25,
            ..Line::default()
        }
    }

    #[test]
    fn a_line_says_what_was_asked_and_what_came_of_it() {
        assert_eq!(
            read().to_string(),
            "GetObject               206     8.0 MiB  memory           1.2 ms  demo/data.bin"
        );
        let unfinished = Line {
            unfinished: true,
            ..read()
        };
        assert!(
            unfinished
                .to_string()
                .ends_with("demo/data.bin  unfinished")
        );
    }

    #[test]
    fn a_line_leaves_out_what_says_nothing() {
        let written = Line {
            operation: "PutObject".to_owned(),
            status: 200,
            bytes: 0,
            cache: "bypass".to_owned(),
            ..read()
        };
        assert_eq!(
            written.to_string(),
            "PutObject               200                               1.2 ms  demo/data.bin"
        );
        let refused = Line {
            operation: "unknown".to_owned(),
            bucket: String::new(),
            key: String::new(),
            status: 403,
            bytes: 271,
            cache: "bypass".to_owned(),
            error_code: "InvalidAccessKeyId".to_owned(),
            ..read()
        };
        assert_eq!(
            refused.to_string(),
            "GET                     403       271 B                   1.2 ms  InvalidAccessKeyId"
        );
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(Bytes(1023).to_string(), "1023 B");
        assert_eq!(Bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(Bytes((1 << 30) - 1).to_string(), "1023.9 MiB");
    }
}
