//! Configurations, good and bad.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::origin::s3::Credentials;
use crate::routes::{Freshness, Keeping};
use crate::types::{ByteSize, Problem};

fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        host_name: "gpu-1".to_owned(),
        memory: ByteSize(8 << 30),
    }
}

const SOUND: &str = r#"
[origin.local]
kind = "directory"
path = "data"
[bucket."*"]
origin = "local"
[identity.me]
access_key_id = "ME"
secret_access_key = { env = "MY_SECRET" }
"#;

fn sound_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let mut variables = variables.to_vec();
    variables.push(("MY_SECRET", "hunter2"));
    parse(&format!("{SOUND}\n{text}"), &surroundings(&variables))
}

fn mistakes(result: Result<Config, Problems>) -> Vec<Problem> {
    result.expect_err("mistakes").list().to_vec()
}

#[track_caller]
fn only_mistake(result: Result<Config, Problems>, key: &str, words: &str) {
    let problems = mistakes(result);
    let [problem] = problems.as_slice() else {
        panic!("{problems:#?}");
    };
    assert_eq!(problem.key, key);
    let said = format!("{} / {}", problem.message, problem.hint);
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_short_file_is_a_whole_configuration() {
    let config = sound_with("", &[]).expect("a sound file");
    assert_eq!(config.node.name, "gpu-1");
    assert_eq!(config.memory.limit, ByteSize(4 << 30));
    assert_eq!(config.listen.s3.address.to_string(), "127.0.0.1:9000");
    assert_eq!(config.listen.admin.address.to_string(), "127.0.0.1:9001");
    assert_eq!(config.drain.patience, Duration::from_secs(30));
    let wildcard = config.wildcard.expect("a wildcard");
    assert_eq!(wildcard.keeping, Keeping::default());
    let me = &config.access.identities[0];
    assert_eq!(me.secret_access_key.value.expose(), "hunter2");
    assert!(!format!("{:?}", config.access).contains("hunter2"));
}

#[test]
fn a_full_file_is_read_as_written() {
    let config = sound_with(
        r#"
[origin.store]
kind = "s3"
endpoint = "http://127.0.0.1:7070/"
credentials = { access_key_id = "K", secret_access_key = { env = "MY_SECRET" } }
[bucket.train]
origin = "store"
name = "corp-train"
prefix = "eu/"
freshness = "always"
[[bucket.train.rule]]
prefix = "datasets/"
freshness = "immutable"
pinned = true
[[bucket.train.rule]]
prefix = "logs/"
freshness = { max_age = "5m" }
[policy.read]
allow = [{ actions = ["s3:Get*"], resources = ["train/*"] }]
[anonymous]
policies = ["read"]
"#,
        &[],
    )
    .expect("a sound file");
    let bucket = &config.buckets[0];
    assert_eq!(bucket.name.as_str(), "train");
    assert_eq!(bucket.origin_bucket.as_str(), "corp-train");
    assert_eq!(bucket.keeping.freshness, Freshness::Always);
    assert_eq!(bucket.rules[0].keeping.freshness, Freshness::Immutable);
    assert_eq!(
        bucket.rules[1].keeping.freshness,
        Freshness::MaxAge(Duration::from_secs(300))
    );
    let pinned = bucket.rules.iter().map(|rule| rule.keeping.pinned);
    assert_eq!(pinned.collect::<Vec<_>>(), [true, false]);
    let Store::S3(store) = &config.origins[1].store else {
        panic!("{:?}", config.origins);
    };
    assert_eq!(store.endpoint, Some("http://127.0.0.1:7070".to_owned()));
    assert!(store.path_style && !store.dot_segments);
    assert!(matches!(store.credentials, Credentials::Keys { .. }));
    assert_eq!(config.access.anonymous, ["read"]);
}

const WRONG: &str = r#"
colour = "blue"
[node]
nmae = "a"
role = "full"
[listen.s3]
adress = "0.0.0.0:9000"
idle = 60
connections = 0
tls = { cert = "/nowhere/cert.pem", key = "/nowhere/key.pem" }
[listen.admin]
address = "0.0.0.0:9001"
[memory]
limit = "1MiB"
[origin.aws]
kind = "s3"
endpoint = "https://store/path"
credentials = { profile = "p", assume_role = "r" }
[origin.google]
kind = "gcs"
[bucket.train]
origin = "awz"
[[bucket.train.rule]]
prefix = "a/"
freshness = "immutable"
[[bucket.train.rule]]
prefix = "a/b/"
freshness = "sometimes"
[bucket.google]
origin = "google"
[identity.one]
access_key_id = "SAME"
secret_access_key = "hunter2"
policies = ["raed"]
[identity.two]
access_key_id = "SAME"
secret_access_key = { env = "NOT_SET" }
[policy.read]
allow = [{ actions = ["GetObject"], resources = ["**"] }]
[[disk]]
path = "cache"
[[disk]]
path = "/mnt/a"
capacity = "256MiB"
[[disk]]
path = "/mnt/a/./b"
capacity = "1TiB"
size = "1TiB"
[[disk]]
path = "/mnt/c/../a"
capacity = 7.5
"#;

#[test]
fn all_mistakes_are_told_at_once() {
    let problems = mistakes(parse(WRONG, &surroundings(&[])));
    let mut keys: Vec<&str> = problems.iter().map(|it| it.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "bucket.train.origin",
            "bucket.train.rule[1].freshness",
            "bucket.train.rule[1].prefix",
            "colour",
            "disk[0].capacity",
            "disk[0].path",
            "disk[1].capacity",
            "disk[2].path",
            "disk[2].size",
            "disk[3].capacity",
            "disk[3].path",
            "identity.one.policies",
            "identity.one.secret_access_key",
            "identity.two.access_key_id",
            "identity.two.secret_access_key.env",
            "listen.admin.token",
            "listen.s3.adress",
            "listen.s3.connections",
            "listen.s3.idle",
            "listen.s3.tls.cert",
            "listen.s3.tls.key",
            "memory.limit",
            "node.nmae",
            "node.role",
            "origin.aws.credentials",
            "origin.aws.endpoint",
            "origin.google.kind",
            "policy.read.allow[0].actions",
            "policy.read.allow[0].resources",
        ]
    );
    let told = Problems::to_string(&parse(WRONG, &surroundings(&[])).expect_err("mistakes"));
    assert!(!told.contains("hunter2"), "a secret is never repeated");
    for hint in [
        "\"name\"",
        "\"address\"",
        "\"aws\"",
        "\"read\"",
        "\"512MiB\"",
    ] {
        assert!(told.contains(hint), "{hint} in {told}");
    }
    assert!(problems.iter().all(|problem| !problem.hint.is_empty()));
}

#[test]
fn an_empty_file_lacks_a_bucket_and_an_identity_and_nothing_else() {
    let problems = mistakes(parse("", &surroundings(&[])));
    let keys: Vec<&str> = problems.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["bucket", "identity"]);
}

#[test]
fn a_syntax_error_is_told_alone_with_its_place() {
    let result = parse("[node]\nname = 'a\n[colour]\n", &surroundings(&[]));
    let problems = mistakes(result);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].key.starts_with("line 2, column "),
        "{problems:?}"
    );
}

#[test]
fn a_value_that_is_no_table_is_one_mistake() {
    only_mistake(
        sound_with("[listen]\ns3 = 3", &[]),
        "listen.s3",
        "not a table",
    );
    only_mistake(
        sound_with("[policy]\nread = 3", &[]),
        "policy.read",
        "not a table",
    );
}

#[test]
fn secrets_are_read_from_files_and_missing_ones_are_told() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("secret");
    let text = format!(
        "[listen.admin]\ntoken = {{ file = {:?} }}",
        file.display().to_string()
    );
    only_mistake(
        sound_with(&text, &[]),
        "listen.admin.token.file",
        "No such file",
    );
    std::fs::write(&file, "t0ken\n").expect("a file");
    let config = sound_with(&text, &[]).expect("a sound file");
    let token = config.listen.admin.token.expect("a token");
    assert_eq!(token.value.expose(), "t0ken");
    let both = "[listen.admin]\ntoken = { file = \"a\", env = \"B\" }";
    only_mistake(sound_with(both, &[]), "listen.admin.token", "both");
    let none = "[listen.admin]\ntoken = {}";
    only_mistake(sound_with(none, &[]), "listen.admin.token", "env");
}

#[test]
fn variables_stand_for_keys() {
    let config = sound_with(
        "[bucket.corp-train]\norigin = \"local\"",
        &[
            ("FOREBAY__LISTEN__S3__ADDRESS", "0.0.0.0:80"),
            ("FOREBAY__LISTEN__S3__CONNECTIONS", "7"),
            ("FOREBAY__LISTEN__S3__DOMAINS", "[\"S3.local\"]"),
            ("FOREBAY__BUCKET__CORP_TRAIN__NAME", "other"),
            ("FOREBAY__IDENTITY__ME__ACCESS_KEY_ID", "12345"),
            ("FOREBAY_UNRELATED", "1"),
        ],
    )
    .expect("a sound configuration");
    assert_eq!(config.listen.s3.address.to_string(), "0.0.0.0:80");
    assert_eq!(config.listen.s3.connections.get(), 7);
    assert_eq!(config.listen.s3.domains, ["s3.local"]);
    assert_eq!(config.buckets[0].origin_bucket.as_str(), "other");
    assert_eq!(config.access.identities[0].access_key_id, "12345");
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    let unknown = "FOREBAY__LISTNE__S3__ADDRESS";
    only_mistake(sound_with("", &[(unknown, "x")]), "listne", unknown);
    let bad = "FOREBAY__LISTEN__S3__IDLE";
    only_mistake(sound_with("", &[(bad, "soon")]), "listen.s3.idle", bad);
    let list = "FOREBAY__BUCKET__B01__RULE__PREFIX";
    let rules = "[bucket.b01]\norigin = \"local\"\n[[bucket.b01.rule]]\nprefix = \"\"\nfreshness = \"always\"";
    only_mistake(sound_with(rules, &[(list, "x")]), list, "list");
    let empty = "FOREBAY____NAME";
    only_mistake(sound_with("", &[(empty, "x")]), empty, "not the name");
}

#[test]
fn contradictions_are_found() {
    let same = "[listen]\ns3.address = \"127.0.0.1:9001\"";
    only_mistake(sound_with(same, &[]), "listen.admin", "127.0.0.1:9001");
    let reserved =
        "[identity.anonymous]\naccess_key_id = \"A\"\nsecret_access_key = { env = \"MY_SECRET\" }";
    only_mistake(
        sound_with(reserved, &[]),
        "identity.anonymous",
        "[anonymous]",
    );
    let short = "[bucket.ab]\norigin = \"local\"";
    only_mistake(sound_with(short, &[]), "bucket.ab", "not a bucket's name");
    let node = "[node]\nname = \"a b\"";
    only_mistake(sound_with(node, &[]), "node.name", "header");
    let domain = "[listen.s3]\ndomains = [\"https://s3\"]";
    only_mistake(sound_with(domain, &[]), "listen.s3.domains", "domain");
}

#[test]
fn a_wildcard_takes_neither_name_nor_prefix() {
    let text = SOUND.replace("origin = \"local\"", "origin = \"local\"\nprefix = \"a/\"");
    let result = parse(&text, &surroundings(&[("MY_SECRET", "s")]));
    only_mistake(result, "bucket.\"*\".prefix", "own name");
}

#[test]
fn a_machine_too_small_for_the_least_memory_is_told() {
    let small = Surroundings {
        memory: ByteSize(100 << 20),
        ..surroundings(&[("MY_SECRET", "s")])
    };
    only_mistake(parse(SOUND, &small), "memory.limit", "64MiB");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let problems = load(Path::new("/nowhere/forebay.toml")).expect_err("no such file");
    assert!(problems.to_string().contains("/nowhere/forebay.toml"));
}

#[test]
fn traces_go_over_plain_http_only() {
    let endpoint = |scheme| format!("telemetry.otlp_endpoint = \"{scheme}://collector:4318\"");
    assert!(
        parse(
            &format!("{}\n{SOUND}", endpoint("http")),
            &surroundings(&[("MY_SECRET", "s")])
        )
        .is_ok()
    );
    only_mistake(
        parse(
            &format!("{}\n{SOUND}", endpoint("https")),
            &surroundings(&[("MY_SECRET", "s")]),
        ),
        "telemetry.otlp_endpoint",
        "http://127.0.0.1:4318",
    );
}

#[test]
fn a_time_or_a_number_that_lets_nothing_through_is_refused() {
    only_mistake(
        sound_with("[listen.s3]\nidle = \"0s\"", &[]),
        "listen.s3.idle",
        "above zero",
    );
    let origin = "[origin.store]\nkind = \"s3\"\nhead_timeout = \"0s\"";
    only_mistake(
        sound_with(origin, &[]),
        "origin.store.head_timeout",
        "above zero",
    );
    let many = "[listen.s3]\nconnections = 9223372036854775807";
    only_mistake(
        sound_with(many, &[]),
        "listen.s3.connections",
        "1 to 1,000,000",
    );
}

#[test]
fn disks_are_folders_that_do_not_overlap() {
    let disk = |path: &str| format!("[[disk]]\npath = \"{path}\"\ncapacity = \"512MiB\"\n");
    let config = sound_with(&(disk("/mnt/a") + &disk("/mnt/ab/")), &[]).expect("two disks");
    let (paths, capacities): (Vec<_>, Vec<_>) = config
        .disks
        .iter()
        .map(|disk| (disk.path.to_str(), disk.capacity))
        .unzip();
    assert_eq!(paths, [Some("/mnt/a"), Some("/mnt/ab/")]);
    assert_eq!(capacities, [512 << 20; 2]);
    for (other, words) in [
        ("/mnt/a/", "another disk's too"),
        ("/mnt/a/b", "inside"),
        ("/mnt", "inside"),
    ] {
        let text = disk("/mnt/a") + &disk(other);
        only_mistake(sound_with(&text, &[]), "disk[1].path", words);
    }
    let many: String = (0..17).map(|n| disk(&format!("/mnt/{n}"))).collect();
    only_mistake(sound_with(&many, &[]), "disk", "at most 16");
}

#[test]
fn a_rule_is_pinned_as_its_bucket_is_where_it_does_not_say() {
    let text = SOUND.replace(
        "origin = \"local\"",
        "origin = \"local\"\npinned = true\nrule = [{ prefix = \"a\", freshness = \"always\" }, { prefix = \"b\", freshness = \"always\", pinned = false }]",
    );
    let config = parse(&text, &surroundings(&[("MY_SECRET", "s")])).expect("a sound file");
    let wildcard = config.wildcard.expect("a wildcard");
    let pinned: Vec<_> = wildcard.rules.iter().map(|it| it.keeping.pinned).collect();
    assert_eq!((wildcard.keeping.pinned, pinned), (true, vec![true, false]));
}

#[test]
fn a_filter_that_cannot_be_used_is_a_mistake() {
    let filter = "[telemetry]\nfilter = \"forebay=loud\"";
    only_mistake(sound_with(filter, &[]), "telemetry.filter", "target=level");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";
    for text in [
        format!("[origin.store]\nkind = \"s3\"\nendpoint = \"https://me:{secret}@store\""),
        format!("[listen.admin]\ntoken = {{ env = \"{secret}\" }}"),
    ] {
        let problems = mistakes(sound_with(&text, &[]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!format!("{problems:?}").contains(secret), "{problems:?}");
    }
}

/// Lines of the example, its comments' too, in any order and cut anywhere.
fn torn_examples() -> impl Strategy<Value = String> {
    let example = include_str!("../../config/example.toml");
    let lines: Vec<&str> = example
        .lines()
        .map(|line| line.trim_start_matches("# "))
        .collect();
    let line = (
        proptest::sample::select(lines),
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    let line = line.prop_map(
        |(line, cut, whole)| match line.get(..cut.index(line.len() + 1)) {
            Some(part) if !whole => part,
            Some(_) | None => line,
        },
    );
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_mistakes_with_a_way_out(text in torn_examples(), value in "[a-z0-9\\[\\]{}=\"]{0,8}") {
        let variables = [("FOREBAY__MEMORY__LIMIT", value.as_str())];
        if let Err(problems) = parse(&text, &surroundings(&variables)) {
            prop_assert!(!problems.list().is_empty());
            for Problem { key, message, hint } in problems.list() {
                prop_assert!(!key.is_empty() && !message.is_empty() && !hint.is_empty());
            }
        }
    }
}
