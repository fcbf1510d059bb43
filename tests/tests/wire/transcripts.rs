//! Conversations that are written down, held against both brokers: every frame of every answer.
//!
//! `SPRINGHARE_TRANSCRIPTS=overwrite` writes down what RabbitMQ answers. In a new transcript, a
//! line `< 1` stands for a frame on channel 1 that is not known yet.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use springhare_tests::raw::play;

use crate::door::{Door, Target};

/// A case for each file of `tests/transcripts`.
macro_rules! transcripts {
    ($($name:ident $(= $not_yet:literal)?),+ $(,)?) => {
        wire!($($name $(= $not_yet)?),+);

        $(
            async fn $name(door: &Door) {
                played_as_written(stringify!($name), door).await;
            }
        )+

        const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

transcripts!(
    access_request,
    ack_multiple,
    bodies,
    carbon_copies,
    carbon_copies_in_a_transaction,
    channel_close_with_consumers,
    channel_error,
    channel_flow,
    channel_opened_twice,
    channels,
    confirms,
    confirms_refused,
    connection_close,
    consume,
    consumer_cancel_notify,
    consumer_cancel_without_notify,
    consumer_tag_used_twice,
    dead_letters,
    direct_reply_to,
    direct_reply_to_errors,
    exchange_bindings,
    exchanges,
    get,
    handshake_amqplain,
    handshake_in_one_piece,
    handshake_plain,
    handshake_refused,
    heartbeats,
    no_wait,
    no_wait_errors,
    properties,
    publish_errors,
    qos,
    queues,
    queues_named_by_the_broker,
    recover,
    recover_to_a_consumer,
    redelivered,
    returns,
    tx_acks,
    tx_commit,
    tx_errors,
    tx_publish_errors,
    tx_refused,
    tx_returns,
    tx_rollback,
    unknown_delivery_tag,
    update_secret,
    virtual_host_missing,
);

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

async fn played_as_written(name: &str, door: &Door) {
    let file = directory().join(name).with_extension("txt");
    let written = fs::read_to_string(&file).unwrap();
    let mut played = play(&written, door.address).await;
    match door.target {
        Target::Springhare => played = without_headers_of_its_own(&played),
        // RabbitMQ has them in the order of a table of its runtime, which is another on other machines.
        Target::RabbitMq => played = played.replace("\"AMQPLAIN PLAIN\"", "\"PLAIN AMQPLAIN\""),
    }
    let is_asked = std::env::var("SPRINGHARE_TRANSCRIPTS").is_ok_and(|value| value == "overwrite");
    if is_asked && door.target == Target::RabbitMq {
        fs::write(&file, &played).unwrap();
        return;
    }
    let lines = written.lines().zip(played.lines()).enumerate();
    let differing = lines.filter(|(_, (written, played))| written != played);
    let differing: Vec<_> = differing
        .map(|(at, (written, played))| {
            format!("line {}:\n  {written}\n  came as\n  {played}", at + 1)
        })
        .chain(played.lines().skip(written.lines().count()).map(|line| format!("also {line}")))
        .collect();
    assert!(differing.is_empty(), "{name}:\n{}", differing.join("\n"));
}

/// Our broker counts failed deliveries on every queue and tells them in a header; RabbitMQ does so
/// on quorum queues alone, and these are none. And it tells the last death of a dead letter, as
/// RabbitMQ does since 4.0.
fn without_headers_of_its_own(played: &str) -> String {
    const COUNT_ALONE: &str = " headers={x-delivery-count=l:";
    const LAST_DEATH: &str = ",x-last-death-";
    let line = |line: &str| {
        let mut line = line.to_owned();
        if let Some((before, after)) = line.split_once(COUNT_ALONE) {
            let rest = after.split_once('}').map_or("", |(_, rest)| rest);
            line = format!("{before}{rest}");
        }
        while let Some((before, after)) = line.split_once(LAST_DEATH) {
            let end = after.find([',', '}']).unwrap_or(after.len());
            line = format!("{before}{}", &after[end..]);
        }
        line + "\n"
    };
    played.lines().map(line).collect()
}

#[test]
fn every_transcript_is_played() {
    let files = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let names = NAMES.iter().map(|name| (*name).to_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), names.collect());
}
