//! Runs every example, each within a time limit, and reads what it printed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use springhare_rabbitmq::{Cluster, RabbitMq};

use crate::root;
use crate::run::{Finished, Result, capture, cargo, heading};

/// How long an example may take.
const LIMIT: Duration = Duration::from_secs(60);
const SAMPLE: &str = "examples/data/syslog.txt";

/// Each example, and what it must print in these words and in this order.
const EXAMPLES: [(&str, &[&str]); 15] = [
    ("simple", &["published hello 1 to queue boot_hello", "on_hello got all 3 messages"]),
    (
        "worker",
        &[
            r#"without a prefetch bound: {"quick": 6, "slow": 6}"#,
            "with prefetch = 1:",
            "the quick worker did more",
        ],
    ),
    ("pubsub", &["published tea is down", "both subscribers got both messages"]),
    (
        "routing",
        &[
            "refused the message reached no queue, none is bound to exchange 'boot_routing' for \
             key 'debug' (312 NO_ROUTE)",
            "the pager got 2 messages, the journal 3",
        ],
    ),
    ("topic", &["errors got 2 messages, kernel 3, everything 5"]),
    (
        "manual_ack",
        &[
            "mortal got job 1 not signed for",
            "mortal dies",
            "careful got job 1 (redelivered) signed for by hand",
            "job 1 came back and was signed for",
        ],
    ),
    (
        "raw_channel",
        &[
            "published Hello World! to queue hello",
            "broker confirmed publish 1",
            "hello-consumer got Hello World! as delivery 1",
            "hello-consumer signed for delivery 1",
        ],
    ),
    (
        "controller",
        &["controller answered HTTP/1.1 202 Accepted", "send_", "answered first, then sent both"],
    ),
    (
        "rpc",
        &[
            "asked for 1 tea and got 250 cents",
            "asked for 2 bread and got 640 cents",
            "asked for 4 tea and got 1000 cents",
            "was told there is no gold",
            "that nobody listens to boot_nobody",
            "gave up after 50ms",
            "three calls were answered, and three others say why not",
        ],
    ),
    (
        "failures",
        &[
            "failed ada@example.org attempt 2: the mail server is busy",
            r#"got ada@example.org attempt 3: "your parcel is on its way" is sent"#,
            r#"boot_mails.error {"to":"nobody@example.org","#,
            "x-exception-message there is no mailbox nobody@example.org",
            "x-springhare-reason fatal x-springhare-attempts 1",
            "failed eve@example.org attempt 3: the mail server is busy",
            r#"boot_mails.error {"to":"eve@example.org","#,
            "x-springhare-reason deliveries-exhausted x-springhare-attempts 3",
            "boot_mails.error not a mail",
            "x-exception-message listener 'failures::send_mail', queue 'boot_mails': a body",
            "to handle it x-springhare-reason fatal",
            "one mail was sent at the third attempt, three messages say why they were not",
        ],
    ),
    (
        "batches",
        &[
            "published 12 readings",
            "wrote [1, 2, 3, 4, 5]",
            "wrote [6, 7, 9, 10]",
            "wrote [11, 12]",
            r#"boot_readings.error {"meter":8,"kwh":-5} a meter does not run backwards"#,
            "11 readings were written, and the one that is wrong was given up alone",
        ],
    ),
    ("testing", &["published an order of tea", "boot_parcels holds a parcel of tea", "cargo test"]),
    (
        "durable",
        &[
            "published tea persistent",
            "published a guess transient",
            "SIGKILL signal: 9",
            "boot_orders still has bread",
            "every persistent message came back, and the transient one did not",
        ],
    ),
    (
        "elk",
        &[
            r#""message":"a dish is ordered","ecs.version":"8.11.0","service.name":"restaurant""#,
            r#""log.logger":"elk","event.action":"dish-ordered","labels.dish":"soup","span.id":""#,
            r#""message":"the dish is cooked""#,
            r#""labels.dish":"soup","labels.listener":"kitchen""#,
            r#""labels.queue":"boot_kitchen""#,
            r#""trace.id":""#,
            "one trace leads from the order to the kitchen",
        ],
    ),
    (
        "five_modes",
        &[
            "mode consumer got expected",
            "simple hello 2 2",
            "worker worker_slow + worker_quick",
            "pub/sub subscriber_a 2 2",
            "pub/sub subscriber_b 2 2",
            "routing route_loud 2 2",
            "routing route_quiet 1 1",
            "topic topic_errors 2 2",
            "topic topic_kernel 2 2",
            "left unsigned: 0",
            "all five modes work",
        ],
    ),
];

/// The verbs of `describe`, and what it tells by them.
const VERBS: [(&str, &[&str]); 3] = [
    (
        "describe",
        &[
            "LISTENER QUEUE PAYLOAD ACK PREFETCH CONSUMERS AT",
            "pack boot_packing Order auto 250 1 examples/describe.rs:",
            "boot_shop topic, durable",
            "queue boot_packing exchange 'boot_shop' key 'order.*' examples/describe.rs:",
        ],
    ),
    ("describe --mermaid", &["flowchart LR", r#"-->|"order.*"|"#]),
    (
        "asyncapi",
        &[
            r#""asyncapi": "3.0.0""#,
            r##""$ref": "#/components/schemas/Order""##,
            r#""summary": "Packs what was ordered.""#,
        ],
    ),
];

/// What `logs` sorts the lines into, and the pattern that finds the same lines.
const LOG_FILES: [(&str, &str); 4] = [
    ("all", "^"),
    ("kernel", r"^.{15} [^ ]+ kern\."),
    ("errors", r"^.{15} [^ ]+ [a-z0-9]+\.(emerg|alert|crit|err) "),
    ("logins", r"^.{15} [^ ]+ auth(priv)?\."),
];

/// Builds all examples and runs them: in their own process alone, then on a RabbitMQ, then on a
/// cluster of three nodes. Nothing but the address changes.
///
/// # Errors
///
/// For the first one that fails, takes too long, or does not print what it should.
pub(crate) fn check_all() -> Result {
    heading("examples");
    let examples = build()?;
    check_on(&examples, None)?;
    if let Some(five_modes) = examples.get("five_modes") {
        check_refusal(five_modes)?;
    }
    if springhare_rabbitmq::is_left_out() {
        eprintln!("\nSKIPPED: the examples on RabbitMQ (SPRINGHARE_WITHOUT_RABBITMQ=1)\n");
        return Ok(());
    }
    heading("the same examples on a RabbitMQ");
    let node = RabbitMq::start()?;
    check_on(&examples, Some(&format!("amqp://guest:guest@{}", node.address())))?;
    drop(node);
    heading("the same examples on a cluster of three RabbitMQ nodes");
    check_on(&examples, Some(&Cluster::up()?.url()))
}

/// Runs all examples on the broker at `url`, or on one of their own.
fn check_on(examples: &BTreeMap<String, PathBuf>, url: Option<&str>) -> Result {
    let mut unchecked = examples.clone();
    for (name, expected) in EXAMPLES {
        let program =
            unchecked.remove(name).ok_or_else(|| format!("there is no example {name}"))?;
        let finished = capture(command(&program, url), Vec::new(), LIMIT)?;
        check(name, &finished, expected)?;
        eprintln!("example {name} ... ok");
    }
    let logs = unchecked.remove("logs").ok_or("there is no example logs")?;
    check_logs(&logs, url)?;
    eprintln!("example logs ... ok");
    let describe = unchecked.remove("describe").ok_or("there is no example describe")?;
    check_describe(&describe, url)?;
    eprintln!("example describe ... ok");
    match unchecked.keys().next() {
        None => Ok(()),
        Some(unknown) => Err(format!("the output of example {unknown} is not checked").into()),
    }
}

/// Builds the examples; their programs by name.
fn build() -> Result<BTreeMap<String, PathBuf>> {
    let mut command =
        cargo(&["build", "-p", "springhare-examples", "--examples", "--message-format"]);
    command.arg("json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", output.status).into());
    }
    let mut built = BTreeMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(line)?;
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let program = message.pointer("/executable").and_then(Value::as_str);
        if let (Some(name), Some(program)) = (name, program) {
            built.insert(name.to_owned(), PathBuf::from(program));
        }
    }
    Ok(built)
}

fn command(program: &Path, url: Option<&str>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).env_remove("SPRINGHARE_URL").env_remove("SPRINGHARE_STARTUP");
    command.envs(url.map(|url| ("SPRINGHARE_URL", url)));
    command
}

/// The example succeeded and printed what is expected.
fn check(name: &str, finished: &Finished, expected: &[&str]) -> Result {
    check_printed(name, finished, expected)?;
    if finished.success { Ok(()) } else { Err(complaint(name, "failed", finished)) }
}

/// The example printed what is expected, in this order; how much space stands between the words does
/// not matter.
fn check_printed(name: &str, finished: &Finished, expected: &[&str]) -> Result {
    let words = finished.output.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = words.as_str();
    for text in expected {
        match rest.split_once(text) {
            Some((_, after)) => rest = after,
            None => return Err(complaint(name, &format!("did not print {text:?}"), finished)),
        }
    }
    Ok(())
}

fn complaint(name: &str, what: &str, finished: &Finished) -> Box<dyn std::error::Error> {
    format!("example {name} {what}; it printed:\n{}", finished.output).into()
}

/// An example that can't work says why and ends with an error.
fn check_refusal(program: &Path) -> Result {
    // Nobody listens on port 1 (tcpmux) any more.
    let mut command = command(program, Some("amqp://127.0.0.1:1"));
    command.env("SPRINGHARE_STARTUP", "fail");
    let finished = capture(command, Vec::new(), LIMIT)?;
    if finished.success || !finished.output.contains("cannot connect to amqp://127.0.0.1:1") {
        return Err(complaint("five_modes", "did not say that its broker is missing", &finished));
    }
    Ok(())
}

/// `describe` tells of itself and starts nothing, so that a broker lacks all of it.
fn check_describe(program: &Path, url: Option<&str>) -> Result {
    let run = |verb: &str| {
        let mut command = command(program, url);
        command.args(verb.split_whitespace());
        capture(command, Vec::new(), LIMIT)
    };
    for (verb, expected) in VERBS {
        check("describe", &run(verb)?, expected)?;
    }
    let expected: &[&str] = match url {
        None => &["has nothing before the application starts; name one that runs"],
        Some(_) => &["+ exchange 'boot_shop' (topic, durable)", "+ queue 'boot_packing'"],
    };
    let finished = run("topology diff")?;
    check_printed("describe", &finished, expected)?;
    if finished.success {
        return Err(complaint("describe", "found no difference", &finished));
    }
    Ok(())
}

/// `logs`, from a file and from the standard input: its counts are those of grep.
fn check_logs(program: &Path, url: Option<&str>) -> Result {
    let sample = fs::read(root().join(SAMPLE))?;
    for (argument, input) in [(SAMPLE, Vec::new()), ("-", sample)] {
        let out = tempfile::tempdir()?;
        let mut command = command(program, url);
        command.arg(argument).arg(out.path());
        let finished = capture(command, input, LIMIT)?;
        check("logs", &finished, &["published"])?;
        for (file, pattern) in LOG_FILES {
            let count = grep_count(pattern)?;
            let printed = format!("{file} got {count} lines");
            check("logs", &finished, &[&printed])?;
            let written = fs::read_to_string(out.path().join(file).with_extension("txt"))?;
            if written.lines().count() != count {
                let what =
                    format!("wrote {} lines to {file}, not {count}", written.lines().count());
                return Err(complaint("logs", &what, &finished));
            }
        }
    }
    let mut command = command(program, url);
    command.arg("examples/data/no_such_file.txt");
    match capture(command, Vec::new(), LIMIT)? {
        finished if finished.success => Err(complaint("logs", "read a missing file", &finished)),
        _ => Ok(()),
    }
}

fn grep_count(pattern: &str) -> Result<usize> {
    let output =
        Command::new("grep").args(["-cE", pattern, SAMPLE]).current_dir(root()).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(output: &str) -> Finished {
        Finished { success: true, output: output.to_owned() }
    }

    #[test]
    fn words_count_and_their_order_but_not_the_space_between() {
        let printed = finished("simple   hello   2  2\nall five modes work\n");
        check("x", &printed, &["simple hello 2 2", "all five modes work"]).unwrap();
        let error = check("x", &printed, &["all five modes work", "simple hello"]).unwrap_err();
        assert!(error.to_string().contains("did not print \"simple hello\""), "{error}");
        let failed = Finished { success: false, ..finished("done") };
        assert!(check("x", &failed, &["done"]).is_err());
    }
}
