//! Conditional reads, writes and copies, as S3 judges them.

use super::answer::Refused;
use super::asked::Asked;
use super::store::{MODIFIED, Version};

/// The headers of a set of conditions.
struct Names {
    matches: &'static str,
    differs: &'static str,
    modified: &'static str,
    unmodified: &'static str,
}

const READ: Names = Names {
    matches: "if-match",
    differs: "if-none-match",
    modified: "if-modified-since",
    unmodified: "if-unmodified-since",
};
const COPY: Names = Names {
    matches: "x-amz-copy-source-if-match",
    differs: "x-amz-copy-source-if-none-match",
    modified: "x-amz-copy-source-if-modified-since",
    unmodified: "x-amz-copy-source-if-unmodified-since",
};

/// Whether a list of tags names `etag`; quotes and weakness do not matter to S3.
pub(super) fn names(list: &str, etag: &str) -> bool {
    let opaque = |tag: &str| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.trim_matches('"').to_owned()
    };
    list.split(',')
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

fn later_than_modified(date: &str) -> Option<bool> {
    let date = httpdate::parse_http_date(date).ok()?;
    let modified = httpdate::parse_http_date(MODIFIED).expect("a date");
    Some(date >= modified)
}

/// What fails of `names`: true where that is a "not modified".
fn judge(asked: &Asked, etag: &str, headers: &Names) -> Result<(), bool> {
    if let Some(list) = asked.header(headers.matches) {
        if !names(list, etag) {
            return Err(false);
        }
    } else if let Some(date) = asked.header(headers.unmodified)
        && later_than_modified(date) == Some(false)
    {
        return Err(false);
    }
    if let Some(list) = asked.header(headers.differs) {
        if names(list, etag) {
            return Err(true);
        }
    } else if let Some(date) = asked.header(headers.modified)
        && later_than_modified(date) == Some(true)
    {
        return Err(true);
    }
    Ok(())
}

pub(super) fn read(asked: &Asked, version: &Version) -> Result<(), Refused> {
    judge(asked, &version.etag, &READ).map_err(|not_modified| match not_modified {
        true => Refused::new(304, "NotModified")
            .with("etag", &version.etag)
            .with("last-modified", MODIFIED),
        false => Refused::new(412, "PreconditionFailed"),
    })
}

pub(super) fn copy(asked: &Asked, source: &Version) -> Result<(), Refused> {
    let judged = judge(asked, &source.etag, &COPY);
    judged.map_err(|_| Refused::new(412, "PreconditionFailed"))
}

/// Whether a write (or a delete) may replace `current`.
pub(super) fn write(asked: &Asked, current: Option<&Version>) -> Result<(), Refused> {
    let failed = || Err(Refused::new(412, "PreconditionFailed"));
    match (asked.header("if-match"), current) {
        (Some(list), Some(version)) if !names(list, &version.etag) => return failed(),
        (Some(_), None) => return Err(Refused::new(404, "NoSuchKey")),
        (Some(_) | None, _) => {}
    }
    match (asked.header("if-none-match"), current) {
        (Some("*"), Some(_)) => failed(),
        (Some("*") | None, _) => Ok(()),
        (Some(_), _) => Err(Refused::new(501, "NotImplemented")),
    }
}

/// Whether `Range` counts: `If-Range` names this version, or is not there.
pub(super) fn range_counts(asked: &Asked, version: &Version) -> bool {
    match asked.header("if-range") {
        None => true,
        Some(date) if httpdate::parse_http_date(date).is_ok() => {
            later_than_modified(date) == Some(true)
        }
        Some(tag) => names(tag, &version.etag),
    }
}
