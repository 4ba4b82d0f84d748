//! The command as a user runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_forebay-loadtest");

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the origin listens");
    let text = format!("{request} HTTP/1.1\r\nhost: origin\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).expect("the origin reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the origin answers in text");
    answer
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .output()
        .expect("it was built")
}

#[test]
fn the_origin_serves_what_it_is_told_to_and_counts() {
    let mut origin = Command::new(BINARY)
        .args([
            "origin",
            "--listen",
            "127.0.0.1:0",
            "--set",
            "objects:1KiB:3",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .map(Running)
        .unwrap();
    let mut line = String::new();
    let stdout = origin.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap();
    let head = ask(address, "HEAD /b/objects/1KiB/000000");
    assert!(head.contains("content-length: 1024\r\n"), "{head}");
    let list = ask(address, "GET /b?list-type=2");
    assert_eq!(list.matches("<Key>").count(), 3, "{list}");
    let counters = ask(address, "GET /-/counters");
    assert!(
        counters.contains("\"heads\":1") && counters.contains("\"lists\":1"),
        "{counters}"
    );
}

#[test]
fn wrong_usage_is_refused_and_a_missing_node_is_told() {
    assert_eq!(run(&["disk", "--memory", "many"]).status.code(), Some(64));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (data, report, none) = (path("data"), path("report"), path("none"));
    let arguments = [
        "memory",
        "--folder",
        &data,
        "--report",
        &report,
        "--forebay",
        &none,
    ];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("cannot start"), "{told}");
}
