//! `forebay where`: asks a node what it knows of an object, and where its bytes are.

use std::io::{self, Write};

use clap::Args;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::admin::{Connection, Failure};
use super::location::Location;
use super::output::Output;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The object, as clients name it.
    #[arg(value_name = "s3://BUCKET/KEY")]
    location: Location,
    /// This version of it.
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
    /// How to tell what was found.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Asks where the object is, and tells it.
///
/// # Errors
/// Where `out` cannot be written to.
pub(super) async fn run(
    options: &Options,
    out: &mut impl Write,
) -> io::Result<Result<(), Failure>> {
    let Location { bucket, key } = &options.location;
    if key.is_empty() {
        let message = format!("s3://{bucket}/ is no object: write its key");
        return Ok(Err(Failure::Usage(message)));
    }
    let version = options.version_id.as_deref();
    let version = version.map_or(String::new(), |id| format!("&version_id={}", encoded(id)));
    let path = format!("/where?bucket={bucket}&key={}{version}", encoded(key));
    let told = match options.connection.ask(Method::GET, &path, None).await {
        Ok(told) => told,
        Err(failure) => return Ok(Err(failure)),
    };
    match options.output {
        Output::Json => writeln!(out, "{told:#}")?,
        Output::Text => write_text(&told, out)?,
    }
    Ok(Ok(()))
}

fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn write_text(told: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (bucket, key) = (text(&told["bucket"]), text(&told["key"]));
    let version = match told["version_id"].as_str() {
        Some(id) => format!(", version {id}"),
        None => String::new(),
    };
    writeln!(out, "s3://{bucket}/{key}{version}")?;
    let (at_origin, origin) = (text(&told["origin_key"]), text(&told["origin"]));
    let origin_bucket = text(&told["origin_bucket"]);
    writeln!(out, "  origin  {origin}: s3://{origin_bucket}/{at_origin}")?;
    let record = &told["record"];
    if record.is_null() {
        return writeln!(out, "  record  none: the next read asks the origin");
    }
    let stale = match record["fresh"].as_bool() {
        Some(true) => "fresh",
        Some(false) | None => "to be confirmed by the origin",
    };
    let (etag, size) = (text(&record["etag"]), &record["size"]);
    let age = match record["age_seconds"].as_u64() {
        Some(age) => format!("{age} s old"),
        None => "from before the node started".to_owned(),
    };
    writeln!(out, "  record  {etag}, {size} bytes, {age}, {stale}")?;
    let totals = &told["totals"];
    let pages = &totals["pages"];
    for tier in ["memory", "disk"] {
        let (held, bytes) = (
            &totals[format!("{tier}_pages")],
            &totals[format!("{tier}_bytes")],
        );
        writeln!(out, "  {tier:<7} {held} of {pages} pages, {bytes} bytes")?;
    }
    if told["pinned"] == true {
        writeln!(out, "  pinned  on the disks")?;
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for fill in list(&told["fills"]) {
        writeln!(out, "  filling bytes {} to {}", fill["from"], fill["to"])?;
    }
    let blocks = list(&told["blocks"]);
    if !blocks.is_empty() {
        writeln!(
            out,
            "\n  {:<16} {:<16} pages on disk",
            "blocks", "pages in memory"
        )?;
    }
    for run in blocks {
        let or_none = |value: &Value| match value.as_str() {
            Some(pages) => pages.to_owned(),
            None => "-".to_owned(),
        };
        let (blocks, memory) = (text(&run["blocks"]), or_none(&run["memory"]));
        let (disk, path) = (or_none(&run["disk"]), text(&run["path"]));
        writeln!(
            out,
            "{}",
            format!("  {blocks:<16} {memory:<16} {disk} {path}").trim_end()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(document: Value) -> String {
        let mut out = Vec::new();
        write_text(&document, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_held_is_told_in_a_table() {
        let document = serde_json::json!({
            "bucket": "train", "key": "a/b", "pinned": true,
            "origin": "aws", "origin_bucket": "corp", "origin_key": "eu/a/b",
            "record": { "etag": "\"e\"", "size": 2_097_152, "age_seconds": 7, "fresh": true },
            "totals": { "blocks": 2, "pages": 32, "bytes": 2_097_152, "memory_pages": 17,
                        "memory_bytes": 1_114_112, "disk_pages": 16, "disk_bytes": 1_048_576 },
            "blocks": [{ "blocks": "0", "memory": "0-15", "disk": "0-15", "path": "/mnt/a" },
                       { "blocks": "1", "memory": "3" }],
            "fills": [{ "from": 1_310_720, "to": 2_097_152 }],
        });
        let expected = "\
s3://train/a/b
  origin  aws: s3://corp/eu/a/b
  record  \"e\", 2097152 bytes, 7 s old, fresh
  memory  17 of 32 pages, 1114112 bytes
  disk    16 of 32 pages, 1048576 bytes
  pinned  on the disks
  filling bytes 1310720 to 2097152

  blocks           pages in memory  pages on disk
  0                0-15             0-15 /mnt/a
  1                3                -
";
        assert_eq!(told(document), expected);
    }

    #[test]
    fn an_object_that_is_not_known_is_told_so() {
        let document = serde_json::json!({
            "bucket": "train", "key": "k", "version_id": "v1",
            "origin": "aws", "origin_bucket": "train", "origin_key": "k", "record": null,
        });
        let told = told(document);
        assert!(told.starts_with("s3://train/k, version v1\n"), "{told}");
        assert!(
            told.ends_with("none: the next read asks the origin\n"),
            "{told}"
        );
    }
}
