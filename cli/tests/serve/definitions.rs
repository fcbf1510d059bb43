use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::{Ended, Springhare};
use crate::login::{Client, OPEN_OK, TUNE};

fn write(directory: &TempDir, json: &str) -> PathBuf {
    let file = directory.path().join("definitions.json");
    std::fs::write(&file, json).unwrap();
    file
}

const ALICE: &str = r#"{
    "users": [{"name": "alice", "password": "secret", "tags": ""}],
    "permissions": [{"user": "alice", "vhost": "/", "configure": "", "write": "", "read": ""}]
}"#;

#[tokio::test]
async fn users_of_the_definitions_log_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(&directory, ALICE);
    let mut server = Springhare::serve(&["--definitions", file.to_str().unwrap()]);
    let [address] = server.addresses().await[..] else { panic!("one address") };
    let mut client = Client::connect(address).await;
    client.log_in("alice", "secret", "test").await;
    client.receive(TUNE).await;
    client.open().await;
    client.receive(OPEN_OK).await;
    assert_eq!(server.terminated().await.code, Some(0));
}

#[tokio::test]
async fn all_faults_are_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(&directory, &ALICE.replace("\"configure\": \"\"", "\"configure\": \"(\""));
    let ended = refused(&file).await;
    let begin = format!("springhare: {}: $.permissions[0].configure: ", file.display());
    assert!(ended.stderr.starts_with(&begin), "{}", ended.stderr);
    let file = write(&directory, r#"{"queues": [{}]}"#);
    let ended = refused(&file).await;
    for key in ["name", "vhost", "durable", "auto_delete"] {
        assert!(ended.stderr.contains(&format!("$.queues[0]: '{key}' is missing")), "{ended:?}");
    }
    let ended = refused(&directory.path().join("nothing.json")).await;
    assert!(ended.stderr.contains("nothing.json can't be read: "), "{}", ended.stderr);
}

async fn refused(file: &std::path::Path) -> Ended {
    let arguments = ["serve".as_ref(), "--definitions".as_ref(), file.as_os_str()];
    let ended = Springhare::run(&arguments).ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    ended
}
