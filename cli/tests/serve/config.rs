use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Ended, Springhare, greet};

fn write(directory: &TempDir, text: &str) -> PathBuf {
    let file = directory.path().join("server.toml");
    std::fs::write(&file, text).unwrap();
    file
}

async fn refused(file: &Path) -> Ended {
    let arguments = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
    let ended = Springhare::run(&arguments).ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    ended
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let ended = refused(Path::new("/nowhere/server.toml")).await;
    assert!(ended.stderr.starts_with("springhare: /nowhere/server.toml: "), "{}", ended.stderr);
}

#[tokio::test]
async fn each_fault_is_told_with_file_and_line() {
    let user = "[[users]]\nname = \"alice\"\n";
    let cases = [
        ("listen = [", ":1:", ""),
        ("lisen = []", ":1:1: there is no key 'lisen' here; did you mean 'listen'?", ""),
        ("\nlisten = [\"localhost\"]", ":2:", "is no IP address"),
        ("[limits]\nchanel_max = 1", ":2:1:", "did you mean 'channel_max'?"),
        (user, ":1:1:", "has no password"),
        (&format!("{user}password_hash = \"hush\""), ":1:1:", "the user 'alice'"),
        (
            &format!("{user}password = \"hush\"\n[users.permissions.\"/\"]\nread = \"(\""),
            ":1:1:",
            "the user 'alice' in the virtual host '/'",
        ),
    ];
    for (text, place, words) in cases {
        let directory = tempfile::tempdir().unwrap();
        let file = write(&directory, text);
        let ended = refused(&file).await;
        let begin = format!("springhare: {}{place}", file.display());
        assert!(ended.stderr.starts_with(&begin), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{text}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hush"), "{text}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_limit_of_zero_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(&directory, "listen = [\"127.0.0.1:0\"]\n[limits]\nchannel_max = 0\n");
    let ended = refused(&file).await;
    assert!(ended.stderr.contains("'channel_max' is 0"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_file_sets_what_flags_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(&directory, "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nlog = \"json\"\n");
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let arguments = ["serve", "--data", data, "--config", file.to_str().unwrap()];
    let mut server = Springhare::run(&arguments);
    let addresses = server.addresses().await;
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        greet(address).await;
    }
    let ended = server.terminated().await;
    assert!(ended.stderr.starts_with('{'), "{}", ended.stderr);
    let flags = ["--log", "human", "--data", data, "--config", file.to_str().unwrap()];
    let mut server = Springhare::serve(&flags);
    assert_eq!(server.addresses().await.len(), 1);
    let ended = server.terminated().await;
    assert!(!ended.stderr.contains('{'), "{}", ended.stderr);
}
