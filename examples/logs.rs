//! Real input: log lines, each published under its `facility.severity`, and listeners that pick
//! theirs by a topic pattern, each into a file. The counts are those of `grep -cE`, which is
//! printed beside each.
//!
//! `cargo run --example logs -- examples/data/syslog.txt`, or the lines on the standard input:
//! `cargo run --example logs < examples/data/syslog.txt`; `-` as the file is the standard input
//! too. A second argument is the directory for the files.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::needless_pass_by_value, reason = "a handler owns its arguments")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;

use springhare::prelude::*;
use springhare_examples::{Ledger, Result};

/// What a line without a facility and a severity counts as (RFC 3164, section 4.3.3).
const DEFAULT_KEY: &str = "user.notice";

/// Each listener's file, and the pattern by which `grep -cE` counts the same lines.
const FILES: [(&str, &str); 4] = [
    ("all", "^"),
    ("kernel", r"^.{15} [^ ]+ kern\."),
    ("errors", r"^.{15} [^ ]+ [a-z0-9]+\.(emerg|alert|crit|err) "),
    ("logins", r"^.{15} [^ ]+ auth(priv)?\."),
];

/// The directory of the files.
struct Out(PathBuf);

impl Out {
    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file).with_extension("txt")
    }

    fn append(&self, file: &str, line: &str) -> io::Result<()> {
        writeln!(OpenOptions::new().append(true).open(self.path(file))?, "{line}")
    }
}

// Writing to a file blocks, so these handlers are plain functions on threads for that.
#[rabbit_listener(exchange = "syslog", kind = "topic", key = "#", blocking)]
fn all(Text(line): Text, out: State<Out>, ledger: State<Ledger>) -> ListenerResult {
    out.append("all", &line)?;
    ledger.note("all", line);
    Ok(())
}

#[rabbit_listener(exchange = "syslog", kind = "topic", key = "kern.*", blocking)]
fn kernel(Text(line): Text, out: State<Out>, ledger: State<Ledger>) -> ListenerResult {
    out.append("kernel", &line)?;
    ledger.note("kernel", line);
    Ok(())
}

#[rabbit_listener(
    exchange = "syslog",
    kind = "topic",
    keys = ["*.emerg", "*.alert", "*.crit", "*.err"],
    blocking
)]
fn errors(Text(line): Text, out: State<Out>, ledger: State<Ledger>) -> ListenerResult {
    out.append("errors", &line)?;
    ledger.note("errors", line);
    Ok(())
}

#[rabbit_listener(exchange = "syslog", kind = "topic", keys = ["auth.*", "authpriv.*"], blocking)]
fn logins(Text(line): Text, out: State<Out>, ledger: State<Ledger>) -> ListenerResult {
    out.append("logins", &line)?;
    ledger.note("logins", line);
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let lines = read_lines(arguments.next().as_deref())?;
    let out = arguments.next().map_or_else(temporary_directory, PathBuf::from);
    fs::create_dir_all(&out)?;
    for (file, _) in FILES {
        File::create(Out(out.clone()).path(file))?;
    }

    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(Out(out.clone())).manage(ledger).start().await?;
    let rabbit = app.rabbit_template();

    // Many at a time; `Ok` means that the broker has them all.
    let keys: Vec<&str> = lines.iter().map(|line| key_of(line)).collect();
    let messages = keys.iter().zip(&lines).map(|(key, line)| (("syslog", *key), line));
    rabbit.convert_and_send_all(messages).await?;
    println!("published {} lines to exchange syslog", lines.len());

    let count = |fits: fn(&str) -> bool| keys.iter().filter(|key| fits(key)).count();
    let expected = [
        ("all", count(|_| true)),
        ("kernel", count(|key| key.starts_with("kern."))),
        (
            "errors",
            count(|key| [".emerg", ".alert", ".crit", ".err"].iter().any(|s| key.ends_with(s))),
        ),
        ("logins", count(|key| key.starts_with("auth"))),
    ];
    let counts = entries.expect(&expected).await?;
    app.stop().await?;

    for (file, pattern) in FILES {
        let (count, path) = (counts.get(file).copied().unwrap_or(0), Out(out.clone()).path(file));
        println!("{file:<6} got {count:>4} lines, as grep -cE '{pattern}'; in {}", path.display());
    }
    Ok(())
}

/// The line's facility and severity, `kern.warn`: what stands behind the date and the host.
fn key_of(line: &str) -> &str {
    let word = line.get(15..).and_then(|rest| rest.split(' ').nth(2)).unwrap_or_default();
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    match word.split_once('.') {
        Some((facility, severity)) if is_name(facility) && is_name(severity) => word,
        _ => DEFAULT_KEY,
    }
}

fn read_lines(file: Option<&str>) -> io::Result<Vec<String>> {
    match file {
        None | Some("-") => {
            if io::stdin().is_terminal() {
                println!("reading log lines from the standard input");
            }
            io::stdin().lock().lines().collect()
        }
        Some(file) => BufReader::new(File::open(file)?).lines().collect(),
    }
}

fn temporary_directory() -> PathBuf {
    std::env::temp_dir().join(format!("springhare-logs-{}", std::process::id()))
}
