//! Requests as programs of another make read them.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::cases::Case;
use crate::ours::{End, Seen, SeenRequest, characters};

/// A program that reads cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parser {
    /// Its name in `differences.txt`.
    pub(crate) name: &'static str,
    script: &'static str,
    /// The variable that names the interpreter.
    variable: &'static str,
    /// The interpreter, if it may be on the path.
    usual: Option<&'static str>,
    /// The version that `differences.txt` is of: a part of what the program says of itself.
    version: &'static str,
}

/// The programs.
pub(crate) const PARSERS: [Parser; 2] = [
    Parser {
        name: "h11",
        script: "h11_server.py",
        variable: "STENTOR_H11",
        usual: None,
        version: "h11 0.16.",
    },
    Parser {
        name: "node",
        script: "node_server.js",
        variable: "STENTOR_NODE",
        usual: Some("node"),
        version: "llhttp 9.",
    },
];

impl Parser {
    /// Returns what the program makes of each case; `None` if it, or the version that is known, is
    /// not installed and need not be.
    ///
    /// # Panics
    /// If it is required and not installed, or does not answer for each case.
    pub(crate) fn read(self, cases: &[Case]) -> Option<Vec<Seen>> {
        let wish = env::var("STENTOR_PARSERS").unwrap_or_default();
        let program = env::var(self.variable).ok();
        let program = program.or_else(|| self.usual.filter(|usual| runs(usual)).map(Into::into));
        let Some(program) = program.filter(|_| wish != "skip") else {
            assert_ne!(wish, "require", "set {}", self.variable);
            println!("{} is left out", self.name);
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("http_parsers")
            .join(self.script);
        let mut child = Command::new(program)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdin = child.stdin.take().expect("piped");
        let input: String = cases
            .iter()
            .map(|case| {
                let text: String = characters(&case.bytes).collect();
                format!("{}\n", Value::from(text))
            })
            .collect();
        // It answers while it reads: both pipes must flow.
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = stdout.lines().map(|line| {
            let line = line.expect("readable");
            serde_json::from_str::<Value>(&line).expect("JSON")
        });
        let found = lines.next().expect("says what it is").to_string();
        println!("{found}");
        let seen: Vec<Seen> = lines.map(|value| seen(&value)).collect();
        writer.join().expect("ends").expect("reads all");
        assert!(child.wait().expect("ends").success());
        assert_eq!(seen.len(), cases.len(), "{} answers each", self.name);
        if !found.contains(self.version) {
            assert_ne!(wish, "require", "install {}", self.version);
            println!("{} is left out: it is not {}", self.name, self.version);
            return None;
        }
        Some(seen)
    }
}

fn runs(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn seen(value: &Value) -> Seen {
    let text = |value: &Value| -> String { value.as_str().expect("a text").into() };
    let list = |value: &Value| -> Vec<Value> { value.as_array().expect("a list").clone() };
    let request = |request: Value| SeenRequest {
        method: text(&request["method"]),
        target: text(&request["target"]),
        version: text(&request["version"]),
        fields: list(&request["fields"])
            .iter()
            .map(|field| (text(&field[0]).to_ascii_lowercase(), text(&field[1])))
            .collect(),
        body: text(&request["body"]),
    };
    Seen {
        requests: list(&value["requests"]).into_iter().map(request).collect(),
        end: match &text(&value["end"])[..] {
            "whole" => End::Whole,
            "incomplete" => End::Incomplete,
            "refused" => End::Refused(None),
            other => panic!("no end: {other}"),
        },
    }
}
