use std::process::Command;

use springhare_broker::Broker;

/// Exit code and outputs of the program `shop` with these arguments.
fn shop(arguments: &str, url: &str) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_shop"));
    program.args(arguments.split_whitespace()).env("SPRINGHARE_URL", url);
    let output = program.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_program_describes_itself_without_a_broker() {
    let nowhere = "amqp://127.0.0.1:1";
    let (code, table, _) = shop("describe", nowhere);
    assert_eq!(code, Some(0));
    assert!(table.contains("tests/src/bin/shop.rs:"), "{table}");
    let (code, graph, _) = shop("describe --mermaid", nowhere);
    assert!(code == Some(0) && graph.starts_with("flowchart LR\n"), "{graph}");
    let (code, document, _) = shop("asyncapi --version 2.0.0", nowhere);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!((code, &document["info"]["title"]), (Some(0), &"shop".into()));
    assert_eq!(document["info"]["version"], "2.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_tells_what_a_broker_lacks_by_its_exit_code() {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let url = format!("amqp://{}", broker.local_addrs()[0]);
    let (code, text, _) = shop("topology diff", &url);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("+ exchange 'shop' (topic, durable), listener `orders`"), "{text}");
    let app = super::Springhare::builder()
        .listeners(super::listeners![])
        .declare(super::Exchange::topic("shop"))
        .declare(super::Queue::durable("orders"))
        .url(&url);
    let app = app.start().await.unwrap();
    let (code, text, _) = shop("topology diff", &url);
    assert_eq!(code, Some(0), "{text}");
    app.stop().await.unwrap();
}

#[test]
fn what_a_program_can_not_do_it_says_by_exit_code_2() {
    for (arguments, url, says) in [
        ("describ", "embedded:", "there is no verb `describ`"),
        ("topology diff", "embedded:", "has nothing before the application starts"),
        ("topology diff", "amqp://127.0.0.1:1", "cannot connect to amqp://127.0.0.1:1"),
    ] {
        let (code, _, error) = shop(arguments, url);
        assert_eq!(code, Some(2), "{arguments}: {error}");
        assert!(error.contains(says), "{arguments}: {error}");
    }
}
