use serde_json::Value;

use crate::harness::{Springhare, command, greet};
use crate::login::{Client, OPEN_OK, TUNE};

/// What breaks lines and quotes in careless logs.
const HOSTILE: &str = "x\"}\n{\"log.level\":\"fatal\"}\r\u{1b}[2J\u{2028}\u{202e}\\";

/// The lines, each of which must be an object with the names that every line has.
fn parsed(text: &str) -> Vec<Value> {
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(!lines.is_empty());
    for line in &lines {
        for name in [
            "@timestamp",
            "log.level",
            "message",
            "log.logger",
            "ecs.version",
            "service.name",
            "process.pid",
            "event.dataset",
        ] {
            assert!(!line[name].is_null(), "{name} in {line}");
        }
        assert_ne!(line["log.level"], "fatal", "{line}");
    }
    lines
}

/// Logs in once with a hostile connection name, and once with a hostile user.
async fn hostile_clients(server: &mut Springhare) {
    let address = server.address().await;
    let mut client = Client::connect(address).await;
    client.log_in("guest", "guest", HOSTILE).await;
    client.receive(TUNE).await;
    client.open().await;
    client.receive(OPEN_OK).await;
    let mut client = Client::connect(address).await;
    client.log_in(HOSTILE, "wrong password 4711", "n").await;
    server.logged("login refused").await;
}

#[tokio::test]
async fn lines_of_json_have_the_schemas_names() {
    let mut server = Springhare::serve(&["--log", "json", "--log-level", "debug"]);
    hostile_clients(&mut server).await;
    let ended = server.terminated().await;
    let lines = parsed(&ended.stderr);
    let refused = lines.iter().find(|line| line["message"] == "login refused").unwrap();
    let reason = refused["labels.refused"].as_str().unwrap();
    assert!(
        reason.contains(&HOSTILE.escape_debug().to_string()),
        "the user's name is in the line: {refused}"
    );
    assert_eq!(refused["client.ip"], "127.0.0.1");
    assert!(refused["client.port"].is_u64(), "{refused}");
    let opened = lines.iter().find(|line| line["message"] == "connection opened").unwrap();
    assert!(opened.to_string().contains("fatal"), "the name is in the line: {opened}");
    assert!(!ended.stderr.contains("4711"), "no password: {}", ended.stderr);
}

#[tokio::test]
async fn lines_for_people_are_not_broken_by_names() {
    let mut server = Springhare::serve(&[]);
    hostile_clients(&mut server).await;
    let ended = server.terminated().await;
    for line in ended.stderr.lines() {
        let has_time = line.starts_with("20") && line.contains('Z');
        assert!(has_time && !line.contains(['\u{1b}', '\r', '\u{2028}', '\u{202e}']), "{line:?}");
    }
    assert!(ended.stderr.contains("fatal"), "the names are there: {}", ended.stderr);
    assert!(!ended.stderr.contains("4711"), "no password: {}", ended.stderr);
}

#[tokio::test]
async fn the_error_of_a_start_is_a_line_of_json_too() {
    let arguments = ["serve", "--log", "json", "--log-level", "off", "--tls-cert", "/no.crt"];
    let ended = Springhare::run(&arguments).ended().await;
    assert_eq!(ended.code, Some(1));
    let lines = parsed(&ended.stderr);
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert_eq!(lines[0]["log.level"], "error");
    let message = lines[0]["error.message"].as_str().unwrap();
    assert!(message.contains("--tls-listen"), "{message}");
}

#[tokio::test]
async fn the_filter_of_a_flag_goes_before_the_environments() {
    let ended = async |flags: &[&str], environment: &str| {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], flags].concat();
        let mut command = command(&arguments);
        let command = command.env("SPRINGHARE_LOG", environment);
        let mut server = Springhare::spawn(command.stdout(std::process::Stdio::piped()));
        greet(server.address().await).await;
        server.terminated().await.stderr
    };
    assert_eq!(ended(&[], "off").await, "");
    assert!(ended(&["--log-level", "info"], "off").await.contains("ended"));
    assert!(ended(&[], "").await.contains("ended"));
}

/// What is told of a refused login reaches the client only after the delay; here it only
/// matters that nothing of the password does.
#[tokio::test]
async fn a_refused_login_says_nothing_of_the_password() {
    let mut server = Springhare::serve(&["--log-level", "trace"]);
    let mut client = Client::connect(server.address().await).await;
    client.log_in("guest", "wrong password 4711", "n").await;
    server.logged("login refused").await;
    let ended = server.terminated().await;
    assert!(!ended.stderr.contains("4711"), "{}", ended.stderr);
}
