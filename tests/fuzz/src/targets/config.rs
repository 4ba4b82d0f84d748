//! The configuration: any text is a configuration or a list of mistakes, each at a place and with a way out, and no secret
//! is repeated in either.
//!
//! Input: the file; lines that begin with `FOREBAY__` are variables instead.

use std::collections::BTreeMap;

use forebay::config::{self, Surroundings};
use forebay::types::ByteSize;

use super::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "config",
    seeds: &[
        "[origin.aws]\nkind = \"s3\"\nregion = \"us-east-1\"\n[bucket.train]\norigin = \"aws\"\nprefix = \"a/\"\n\
         freshness = { max_age = \"60s\" }\n[identity.t]\naccess_key_id = \"FBTRAINER\"\n\
         secret_access_key = { env = \"SECRET\" }\npolicies = [\"read\"]\n[policy.read]\n\
         allow = [{ actions = [\"s3:Get*\"], resources = [\"train/*\"] }]\n",
        "FOREBAY__MEMORY__LIMIT=2GiB\nFOREBAY__LISTEN__S3__ADDRESS=nowhere\n[node]\nname = \"n\"\n[memory]\nlimit = \"1XB\"\n",
        "[listen.s3]\naddress = \"127.0.0.1:0\"\ndomains = [\"s3.example.org\"]\nidle = \"60s\"\n[drain]\n[telemetry]\n",
        "[bucket.\"*\"]\norigin = \"none\"\n[identity.a]\nsecret_access_key = \"hunter2hunter2\"\n",
        "a = [1,\n",
    ],
    run,
};

const SECRET: &str = "hunter2hunter2";

fn run(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    // Secrets may be files. Those of the system have no end.
    if text.contains("/dev") || text.contains("/proc") || text.contains("/sys") {
        return;
    }
    let is_variable = |line: &&str| line.starts_with("FOREBAY__");
    let variables = text
        .lines()
        .filter(is_variable)
        .filter_map(|line| line.split_once('='));
    let mut variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    variables.insert("SECRET".to_owned(), SECRET.to_owned());
    let surroundings = Surroundings {
        variables,
        host_name: "host".to_owned(),
        memory: ByteSize(1 << 30),
    };
    let lines: Vec<&str> = text.lines().filter(|line| !is_variable(line)).collect();
    let file = lines.join("\n");
    let read = config::parse(&file, &surroundings);
    assert_eq!(read, config::parse(&file, &surroundings));
    let shown = match read {
        Ok(config) => format!("{config:?}"),
        Err(problems) => {
            assert!(!problems.list().is_empty());
            for problem in problems.list() {
                assert!(
                    !problem.message.is_empty() && !problem.hint.is_empty(),
                    "{problem:?}"
                );
            }
            String::new()
        }
    };
    // The file may say it anywhere; who keeps to the rules sees it nowhere.
    assert!(text.contains(SECRET) || !shown.contains(SECRET));
}
