//! An application whose broker has a folder: what it sent and was not handled is there the next time.

use std::path::Path;

use springhare::Error;
use springhare::prelude::*;

use crate::support::{Tell, telling};

#[rabbit_listener(queue = "kept", durable = true)]
async fn kept(Text(text): Text, redelivered: Redelivered, seen: State<Tell<(String, bool)>>) {
    seen.tell((text, redelivered.is_redelivered()));
}

fn address(folder: &Path) -> String {
    format!("embedded:{}", folder.display())
}

/// An application that sends to the queue and does not listen.
async fn sender(url: &str) -> Springhare {
    let queue = Queue::durable("kept");
    Springhare::builder().listeners(listeners![]).declare(queue).url(url).start().await.unwrap()
}

#[tokio::test]
async fn what_was_sent_is_handled_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let url = address(&folder.path().join("data"));
    let app = sender(&url).await;
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("kept", "one").await.unwrap();
    let rest = ["two", "three"].map(|text| ("kept", text));
    rabbit.convert_and_send_all(rest).await.unwrap();
    rabbit.convert_and_send("kept", "four").unconfirmed().await.unwrap();
    rabbit.convert_and_send("kept", "transient").persistent(false).await.unwrap();
    app.stop().await.unwrap();

    let (seen, mut told) = telling::<(String, bool)>();
    let listening = Springhare::builder().listeners(listeners![kept]).manage(seen).url(&url);
    let app = listening.start().await.unwrap();
    for text in ["one", "two", "three", "four"] {
        assert_eq!(told.next().await, (text.to_owned(), false));
    }
    app.stop().await.unwrap();

    let app = sender(&format!("{url}?durability=os")).await;
    let left = app.rabbit_template().receive("kept").await.unwrap();
    assert_eq!(left, None, "all were acknowledged");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_in_use_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = address(folder.path());
    let first = sender(&url).await;
    let second = Springhare::builder().listeners(listeners![]).url(&url).start().await;
    let Err(error) = second else { panic!("two have the same folder") };
    assert!(matches!(error, Error::Broker(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    assert!(text.contains("in use by another process"), "{text}");
    first.stop().await.unwrap();
    sender(&url).await.stop().await.unwrap();
}
