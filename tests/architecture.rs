//! Holds the source to the rules of `docs/ARCHITECTURE.md`: its import table, file sizes, and who may name what.
//!
//! Works on text, line by line, as rustfmt leaves it; comments are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The most lines of a Rust file, tests included.
const MOST_LINES: usize = 500;

struct Module {
    band: u32,
    /// Modules of its own band that it may import.
    siblings: BTreeSet<String>,
}

/// A source file: its path from the root and its text.
struct Source {
    path: String,
    text: String,
}

/// Where cargo runs the tests of a package. Not what `env!` tells, which is another checkout where two build into one folder.
fn root() -> &'static Path {
    Path::new(".")
}

/// Every file below `folder` but what is built, fetched or git's own.
fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let skipped = [
            "target",
            "node_modules",
            "__pycache__",
            "forebay-data",
            ".git",
        ];
        if skipped.contains(&name.as_ref()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, into);
        } else {
            into.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    if root().join(folder).is_dir() {
        walk(&root().join(folder), &mut paths);
    }
    paths.retain(|path| path.extension().is_some_and(|it| it == "rs"));
    paths.sort();
    paths
        .iter()
        .map(|path| Source {
            path: relative(path),
            text: std::fs::read_to_string(path).expect("UTF-8"),
        })
        .collect()
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("a path below the root");
    path.to_string_lossy().into_owned()
}

/// The table of `docs/ARCHITECTURE.md`: rows whose first cell is a number and whose second a module.
fn import_table() -> BTreeMap<String, Module> {
    let page = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the page");
    page.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [band, module, _, siblings] = cells.as_slice() else {
                return None;
            };
            let imports = Module {
                band: band.parse().ok()?,
                siblings: names_in_backticks(siblings),
            };
            Some((module.trim_matches('`').to_owned(), imports))
        })
        .collect()
}

fn names_in_backticks(cell: &str) -> BTreeSet<String> {
    let odd = cell.split('`').skip(1).step_by(2);
    odd.map(str::to_owned).collect()
}

/// The path of the module that a file of `src/` is: `src/a/b.rs` and `src/a/b/mod.rs` are `a`, `b`.
fn module_path(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').collect()
}

/// The top-level modules that a file names, each with the number of the line.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let depth = module_path(&source.path).len();
    let text = without_comments(&source.text);
    let mut imports = Vec::new();
    let mut inline = 0;
    for (index, line) in text.lines().enumerate() {
        // As rustfmt leaves it, a module within the file opens and closes at the margin.
        if line.ends_with('{') && (line.starts_with("mod ") || line.starts_with("pub mod ")) {
            inline = 1;
        } else if line == "}" {
            inline = 0;
        }
        let to_the_root = "super::".repeat(depth + inline);
        for start in ["crate::", "forebay::", &to_the_root] {
            for (at, _) in line.match_indices(start) {
                let before = line[..at].chars().next_back().unwrap_or(' ');
                if !before.is_alphanumeric() && !matches!(before, '_' | ':' | '$') {
                    let rest = following(&text, index, at + start.len());
                    imports.extend(first_names(&rest).into_iter().map(|name| (index + 1, name)));
                }
            }
        }
    }
    imports
}

/// The text from column `at` of line `index` to the end of the statement.
fn following(text: &str, index: usize, at: usize) -> String {
    let lines: Vec<&str> = text.lines().skip(index).collect();
    let joined = lines.join(" ");
    let end = joined[at..].find(';').unwrap_or(joined.len() - at);
    joined[at..at + end].to_owned()
}

/// `a` of `a::b`; `a` and `c` of `{a::b, c}`.
fn first_names(path: &str) -> Vec<String> {
    let identifier = |text: &str| -> String {
        let text = text.trim_start();
        let end = text.find(|it: char| !it.is_alphanumeric() && it != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![identifier(path)];
    };
    let mut names = Vec::new();
    let (mut level, mut item) = (1, String::new());
    for letter in group.chars() {
        match letter {
            '{' => level += 1,
            '}' => level -= 1,
            _ => {}
        }
        if level == 0 || (level == 1 && letter == ',') {
            names.push(identifier(&item));
            item.clear();
        } else {
            item.push(letter);
        }
        if level == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_import_table_has_exactly_the_modules_that_exist() {
    let mut modules = BTreeSet::new();
    for source in sources("src") {
        modules.insert(module_path(&source.path)[0].to_owned());
    }
    modules.remove("lib");
    let listed: BTreeSet<String> = import_table().into_keys().collect();
    assert_eq!(modules, listed);
}

#[test]
fn modules_import_lower_bands_and_the_siblings_that_the_table_names() {
    let table = import_table();
    let mut wrong = Vec::new();
    for source in sources("src") {
        let from = module_path(&source.path)[0];
        let Some(module) = table.get(from) else {
            continue;
        };
        for (line, to) in imports(&source) {
            let Some(imported) = table.get(&to) else {
                continue;
            };
            let allowed =
                to == from || imported.band < module.band || module.siblings.contains(&to);
            if !allowed {
                wrong.push(format!("{}:{line}: {from} imports {to}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn siblings_in_the_table_are_of_the_same_band() {
    let table = import_table();
    for (name, module) in &table {
        for sibling in &module.siblings {
            let band = table.get(sibling).map(|it| it.band);
            assert_eq!(band, Some(module.band), "{name} also imports {sibling}");
        }
    }
}

#[test]
fn files_have_at_most_500_lines() {
    let all = ["src", "tests", "loadtest"].into_iter().flat_map(sources);
    let long: Vec<String> = all
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// The files of `src/` outside of `home` that name one of `words`; modules of tests aside.
fn strangers_naming(words: &[&str], home: &str) -> Vec<String> {
    let mut strangers = Vec::new();
    for source in sources("src") {
        let tests = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
        if tests || source.path.starts_with(home) {
            continue;
        }
        let text = without_comments(&source.text);
        let text = text.split("#[cfg(test)]\nmod tests {").next();
        for (index, line) in text.unwrap_or_default().lines().enumerate() {
            if words.iter().any(|word| names(line, word)) {
                strangers.push(format!("{}:{}: {line}", source.path, index + 1));
            }
        }
    }
    strangers
}

/// Whether `word` stands in the line and does not continue another path or name.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().unwrap_or(' ');
        !before.is_alphanumeric() && !matches!(before, '_' | ':' | '"')
    })
}

#[test]
fn only_tasks_spawns() {
    let words = ["tokio::spawn(", "tokio::task::spawn(", "task::spawn("];
    let strangers = strangers_naming(&words, "src/tasks/");
    assert!(strangers.is_empty(), "{strangers:#?}");
}

#[test]
fn s3s_is_named_in_the_s3_door_only() {
    let strangers = strangers_naming(&["s3s::"], "src/s3/");
    assert!(strangers.is_empty(), "{strangers:#?}");
}

#[test]
fn the_aws_sdk_is_named_in_the_s3_origin_only() {
    // aws_lc_rs is not of the SDK: it is rustls' cryptography.
    let words = [
        "aws_config::",
        "aws_credential_types::",
        "aws_sdk_s3::",
        "aws_sigv4::",
    ];
    let mut strangers = strangers_naming(&words, "src/origin/s3/");
    strangers.extend(strangers_naming(&["aws_smithy_"], "src/origin/s3/"));
    assert!(strangers.is_empty(), "{strangers:#?}");
}

#[test]
fn no_file_names_a_path_of_the_machine_that_it_was_written_on() {
    let machine = concat!("/wo", "rk");
    let outside = concat!("../sha", "red");
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    let mut wrong = Vec::new();
    for path in paths {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            let foreign = line.match_indices(machine).any(|(at, _)| {
                let plain = |it: char| it.is_alphanumeric() || matches!(it, '_' | '-' | '.' | '}');
                let before = line[..at].chars().next_back().is_some_and(plain);
                let after = line[at + machine.len()..].chars().next();
                !before && !after.is_some_and(plain)
            });
            if foreign || line.contains(outside) {
                wrong.push(format!("{}:{}: {line}", relative(&path), index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The files that a test's path may mean: `it::reads` is in `tests/it/`, everything else in `src/`. Gives them, and the last
/// name where that is no file's or folder's.
fn files_of(path: &str) -> (Vec<Source>, Option<String>) {
    let mut names: Vec<&str> = path.split("::").collect();
    let folder = if names[0] == "it" { "tests" } else { "src" };
    let mut last = None;
    while !names.is_empty() {
        let place = names.join("/");
        let here = |file: &Source| {
            let name = file.path.trim_end_matches(".rs");
            name == format!("{folder}/{place}") || name.starts_with(&format!("{folder}/{place}/"))
        };
        let files: Vec<Source> = sources(folder).into_iter().filter(here).collect();
        if !files.is_empty() {
            return (files, last);
        }
        let name = names.pop().map(str::to_owned);
        // A module `tests` may stand in its parent's file.
        match (&last, name.as_deref()) {
            (Some(_), Some("tests")) => {}
            (None, _) => last = name,
            (Some(_), _) => break,
        }
    }
    (Vec::new(), last)
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).expect("it is there");
    let document = read("docs/SEMANTICS.md") + &read("docs/S3-COMPATIBILITY.md");
    let mut missing = Vec::new();
    let mut promises = 0;
    for row in document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"))
    {
        let Some(cell) = row.trim_end_matches(" |").rsplit(" | ").next() else {
            continue;
        };
        for path in names_in_backticks(cell)
            .iter()
            .filter(|path| path.contains("::"))
        {
            promises += 1;
            let (files, name) = files_of(path);
            let holds = |file: &Source| match &name {
                Some(name) => file.text.contains(&format!("fn {name}(")),
                None => {
                    file.text.contains("#[test]")
                        || file.text.contains("#[tokio::test")
                        || file.text.contains("proptest!")
                }
            };
            if !files.iter().any(holds) {
                missing.push(path.clone());
            }
        }
    }
    assert!(
        promises > 40,
        "the table was not understood: {promises} promises"
    );
    assert!(
        missing.is_empty(),
        "the documents name tests that do not exist: {missing:#?}"
    );
}

#[test]
fn the_scanner_sees_imports_in_every_shape() {
    let source = Source {
        path: "src/net/tls.rs".to_owned(),
        text: [
            "use crate::types::Body;",
            "use crate::{",
            "    tasks::{Tasks, Name},",
            "    memory,",
            "};",
            "use super::super::clock::Clock; // not crate::gateway",
            "use super::Limits;",
            "fn f() -> crate::origin::Error {",
            "}",
            "mod tests {",
            "    use super::super::super::cache;",
            "    use super::super::Limits;",
            "}",
        ]
        .join("\n"),
    };
    let names: Vec<String> = imports(&source).into_iter().map(|(_, name)| name).collect();
    let mut seen: Vec<&str> = names.iter().map(String::as_str).collect();
    seen.retain(|name| *name != "super");
    assert_eq!(
        seen,
        ["types", "tasks", "memory", "clock", "origin", "cache"]
    );
}
