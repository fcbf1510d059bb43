//! Mails that can't be sent: one is tried again after pauses, one is given up at once because no
//! attempt can help, and what is given up lies in `boot_mails.error`, with the reason in its headers.
//!
//! `cargo run --example failures`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use springhare::OnError;
use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};

const MAILS: &str = "boot_mails";
/// Where the messages of `boot_mails` are parked that are given up.
const PARKED: &str = "boot_mails.error";
/// How long one is waited for there.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct Mail {
    to: String,
    text: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the mail server is busy")]
struct Busy;

#[derive(Debug, thiserror::Error)]
#[error("there is no mailbox {0}")]
struct NoMailbox(String);

/// Stands for a mail server, whose answer depends on the address and on how often it was asked.
fn deliver(mail: &Mail, failed_before: u32) -> ListenerResult {
    match mail.to.as_str() {
        "ada@example.org" if failed_before < 2 => Err(Busy.into()),
        "eve@example.org" => Err(Busy.into()),
        "nobody@example.org" => Err(NoMailbox(mail.to.clone()).into()),
        _ => Ok(()),
    }
}

/// Three attempts. Between two of them the message waits at the broker, and other mails are sent.
#[rabbit_listener(queue = "boot_mails", retry(delays = ["100ms", "500ms"]))]
async fn send_mail(
    Json(mail): Json<Mail>,
    failed_before: DeliveryCount,
    ledger: State<Ledger>,
) -> ListenerResult {
    let attempt = failed_before.value() + 1;
    if let Err(error) = deliver(&mail, failed_before.value()) {
        println!("  send_mail      failed     {:<26} attempt {attempt}: {error}", mail.to);
        return Err(error);
    }
    ledger.got("send_mail", mail.to, &format!("attempt {attempt}: {:?} is sent", mail.text));
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder()
        .manage(ledger)
        // Whatever fails with this error will fail again.
        .on_error::<NoMailbox>(OnError::Park)
        // Parking declares it, too, but `main` looks into it before anything is parked.
        .declare(Queue::durable(PARKED))
        .start()
        .await?;
    let rabbit = app.rabbit_template();

    send(&rabbit, "ada@example.org").await?;
    entries.expect(&[("send_mail", 1)]).await?;

    send(&rabbit, "nobody@example.org").await?;
    expect_parked(&rabbit, "fatal", 1).await?;

    send(&rabbit, "eve@example.org").await?;
    expect_parked(&rabbit, "deliveries-exhausted", 3).await?;

    // The handler never sees what its arguments can't be read from.
    published("not a mail", format!("to queue {MAILS}"));
    rabbit.convert_and_send(MAILS, "not a mail").await?;
    expect_parked(&rabbit, "fatal", 1).await?;

    app.stop().await?;
    println!("one mail was sent at the third attempt, three messages say why they were not");
    Ok(())
}

async fn send(rabbit: &RabbitTemplate, to: &str) -> Result {
    published(to, format!("to queue {MAILS}"));
    let mail = Mail { to: to.to_owned(), text: "your parcel is on its way".to_owned() };
    Ok(rabbit.convert_and_send(MAILS, &mail).await?)
}

/// Takes the next message that was given up, shows it, and checks why it was.
async fn expect_parked(rabbit: &RabbitTemplate, reason: &str, attempts: i64) -> Result {
    let parked = rabbit.receive(PARKED).timeout(LIMIT).await?;
    let parked = parked.ok_or_else(|| format!("nothing is in {PARKED}"))?;
    let header = |name| parked.properties.header(name);
    let text = |name| header(name).and_then(|value| value.as_str()).unwrap_or_default();
    let failed = header("x-springhare-attempts").and_then(|value| value.as_i64());

    println!("  {PARKED:<25} {}", String::from_utf8_lossy(&parked.body));
    for name in ["x-original-queue", "x-exception-message", "x-springhare-reason"] {
        println!("    {name:<23} {}", text(name));
    }
    println!("    {:<23} {}", "x-springhare-attempts", failed.unwrap_or_default());
    if text("x-springhare-reason") != reason || failed != Some(attempts) {
        return Err(format!("expected it to be parked as {reason} after {attempts}").into());
    }
    Ok(())
}
