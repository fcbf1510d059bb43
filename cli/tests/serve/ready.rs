use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;

use crate::harness::{Springhare, command, greet};

#[tokio::test]
async fn one_line_says_where_it_listens() {
    let mut server = Springhare::serve(&["--listen", "127.0.0.1:0"]);
    let line = server.ready_line().await;
    let version = env!("CARGO_PKG_VERSION");
    let rest = line.strip_prefix(&format!("springhare {version} ready: amqp ")).unwrap();
    let rest = rest.strip_suffix(" (in memory: nothing is kept)\n").unwrap();
    let (first, second) = rest.split_once(", amqp ").unwrap();
    for address in [first, second] {
        greet(address.parse().unwrap()).await;
    }
    let ended = server.terminated().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "", "nothing follows the ready line");
}

#[tokio::test]
async fn a_port_in_use_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Springhare::run(&["serve", "--listen", &address]).ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with(&format!("springhare: can't listen on {address}: ")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--listen another"), "{}", ended.stderr);
}

#[tokio::test]
async fn an_address_of_another_machine_is_told() {
    // TEST-NET-1: documentation's, and nobody's.
    let ended = Springhare::run(&["serve", "--listen", "192.0.2.1:5672"]).ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no such address"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_full_standard_output_is_no_reason_not_to_serve() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut run = command(&["serve", "--listen", "127.0.0.1:0", "--log-level", "warn"]);
    let mut server = Springhare::spawn(run.stdout(Stdio::from(full)));
    server.logged("the ready line was not written").await;
    assert!(server.is_running());
    assert_eq!(server.terminated().await.code, Some(0));
}
