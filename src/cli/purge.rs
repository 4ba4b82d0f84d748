//! `forebay purge`: asks a node to forget an object, or all objects whose keys begin alike.

use std::io::{self, Write};

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::admin::{Connection, Failure};
use super::location::Location;
use super::output::Output;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// What to forget: every key that begins so. s3://BUCKET/ is the whole bucket.
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    location: Location,
    /// Forget the object with exactly this key.
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    connection: Connection,
    /// How to tell what was done.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Purges, and tells what was purged.
///
/// # Errors
/// Where `out` cannot be written to.
pub(super) async fn run(
    options: &Options,
    out: &mut impl Write,
) -> io::Result<Result<(), Failure>> {
    let Location { bucket, key } = &options.location;
    if options.exact && key.is_empty() {
        let message = format!("s3://{bucket}/ is no object: --exact takes a key");
        return Ok(Err(Failure::Usage(message)));
    }
    let which = if options.exact { "key" } else { "prefix" };
    let document = json!({ "bucket": bucket.as_str(), which: key });
    let asked = options
        .connection
        .ask(Method::POST, "/purge", Some(&document));
    let told = match asked.await {
        Ok(told) => told,
        Err(failure) => return Ok(Err(failure)),
    };
    match options.output {
        Output::Json => writeln!(out, "{told:#}")?,
        Output::Text => writeln!(out, "{}", in_words(&told, &options.location, options.exact))?,
    }
    Ok(Ok(()))
}

fn in_words(told: &Value, location: &Location, exact: bool) -> String {
    let Location { bucket, key } = location;
    let star = if exact { "" } else { "*" };
    let lasting = match told["durable"].as_bool() {
        Some(true) => "; it holds across restarts",
        Some(false) | None => "",
    };
    format!("s3://{bucket}/{key}{star} is forgotten: the next read asks the origin{lasting}")
}
