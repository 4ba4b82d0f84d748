//! Access lines as JSON, written straight: they are made for every request, and the formatter for any event takes longer over
//! one than the cache takes to find the object.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write};
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::TARGET;
use crate::clock::Clock;

/// Writes access lines as a flattened JSON formatter does, and has `others` write all other events.
pub(crate) struct Lines<F> {
    clock: Clock,
    others: F,
}

impl<F> Lines<F> {
    pub(crate) fn beside(others: F) -> Self {
        Self {
            clock: Clock::system(),
            others,
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != TARGET {
            return self.others.format_event(context, writer, event);
        }
        let mut line = Line(String::with_capacity(512));
        line.0.push_str("{\"timestamp\":\"");
        let now = self.clock.wall().duration_since(UNIX_EPOCH);
        push_time(&mut line.0, now.unwrap_or_default());
        line.0.push_str("\",\"level\":\"");
        line.0.push_str(event.metadata().level().as_str());
        line.0.push('"');
        event.record(&mut line);
        line.0.push_str(",\"target\":\"");
        line.0.push_str(TARGET);
        line.0.push_str("\"}\n");
        writer.write_str(&line.0)
    }
}

/// Appends a time since 1970 as RFC 3339 has it, to the microsecond.
fn push_time(text: &mut String, time: Duration) {
    thread_local! {
        /// The second that was written last.
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    LAST.with_borrow_mut(|(second, written)| {
        if *second != time.as_secs() {
            let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let stamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
            *written = stamp.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            *second = time.as_secs();
        }
        text.push_str(written);
    });
    let _ = write!(text, ".{:06}Z", time.subsec_micros());
}

/// A line in the making, from its second field on.
struct Line(String);

impl Line {
    fn name(&mut self, field: &Field) {
        self.0.push_str(",\"");
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }

    fn plain(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.name(field);
        let _ = self.0.write_fmt(value);
    }
}

impl Visit for Line {
    /// Durations in milliseconds: to the microsecond.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.plain(field, format_args!("{value:.3}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if value.bytes().all(plain) {
            self.0.push('"');
            self.0.push_str(value);
            self.0.push('"');
        } else {
            self.0.push_str(&serde_json::Value::from(value).to_string());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of events, one JSON object a line.
    fn written(events: impl FnOnce()) -> Vec<serde_json::Value> {
        let written = Written::default();
        let writer = written.clone();
        let others = tracing_subscriber::fmt::format().json().flatten_event(true);
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Lines::beside(others))
            .fmt_fields(JsonFields::new())
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let bytes = written.0.lock().expect("a lock").clone();
        let text = String::from_utf8(bytes).expect("text");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    #[test]
    fn an_access_line_is_written_as_any_other_event_would_be() {
        let key = "a \"b\"\\\n\u{1}\u{fc}";
        let lines = written(|| {
            for fields in [true, false] {
                let (client, none) = ("127.0.0.1:1", None::<&str>);
                if fields {
                    tracing::info!(
                        target: "forebay::access", client = %client, key, status = 206, bytes = 1u64, ttfb_ms = 1.25,
                        complete = true, none, "request"
                    );
                } else {
                    tracing::info!(
                        target: "other", client = %client, key, status = 206, bytes = 1u64, ttfb_ms = 1.25,
                        complete = true, none, "request"
                    );
                }
            }
        });
        let [access, other] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        for (name, value) in other.as_object().expect("an object") {
            match name.as_str() {
                "target" => assert_eq!(access["target"], "forebay::access"),
                "timestamp" => {
                    let (one, two) = (&access["timestamp"], value);
                    let parse = |it: &serde_json::Value| -> Timestamp {
                        it.as_str().expect("text").parse().expect("a time")
                    };
                    assert!(parse(two).duration_since(parse(one)).abs().as_secs() < 60);
                    assert_eq!(one.as_str().map(str::len), two.as_str().map(str::len));
                }
                name => assert_eq!(&access[name], value, "{name}"),
            }
        }
        assert_eq!(
            access.as_object().map(serde_json::Map::len),
            other.as_object().map(serde_json::Map::len)
        );
    }

    #[test]
    fn times_go_on_to_the_next_second() {
        let text = |nanos| {
            let mut text = String::new();
            push_time(&mut text, Duration::from_nanos(nanos));
            text
        };
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(999_999_999), "1970-01-01T00:00:00.999999Z");
        assert_eq!(text(86_400_000_001_000), "1970-01-02T00:00:00.000001Z");
    }
}
