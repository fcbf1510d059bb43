use springhare::prelude::*;
use springhare::{Error, ListenerStatus};
use springhare_tests::{eventually, within_limit};

use crate::support::{LONG, Tell, consumers, publish, status, telling};
use crate::switch_link::SwitchLink;

#[rabbit_listener(id = "orders", queue = "work")]
async fn orders(text: Text, seen: State<Tell<String>>) {
    seen.tell(format!("main: {}", text.0));
}

#[rabbit_listener(id = "invoices", queue = "work", broker = "billing")]
async fn invoices(text: Text, seen: State<Tell<String>>) {
    seen.tell(format!("billing: {}", text.0));
}

#[tokio::test]
async fn a_broker_that_goes_away_and_comes_back_is_nothing_to_the_other() {
    let (link, main, _hand) = SwitchLink::on();
    let (billing_link, _, billing_hand) = SwitchLink::on();
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .link(link.clone())
        .named_broker("billing", |it| {
            it.link(billing_link.clone()).declare(Queue::durable("receipts"))
        })
        .listeners(listeners![orders, invoices])
        .manage(seen)
        .start()
        .await
        .unwrap();
    billing_link.kill_broker();
    let lost = eventually("the listener of the lost broker is recovering", async || {
        match status(&app, "invoices") {
            ListenerStatus::Recovering { reason } => Some(reason),
            _ => None,
        }
    });
    lost.await;
    eventually("the health names the broker", async || {
        billing_hand.advance(LONG);
        app.health().to_string().contains("broker `billing` (switch://broker)").then_some(())
    })
    .await;
    // The other one works on: its listener, its template, its connection.
    assert_eq!(status(&app, "orders"), ListenerStatus::Consuming);
    assert!(app.broker("rabbitmq").unwrap().health().is_up());
    app.rabbit_template().convert_and_send("work", "tea").await.unwrap();
    assert_eq!(told.next().await, "main: tea");
    let billing = app.broker("billing").unwrap();
    let away = billing.rabbit_template().convert_and_send("work", "tea").await;
    assert!(matches!(away, Err(Error::Link(_) | Error::NotConfirmed(_))), "{away:?}");

    let again = billing_link.new_broker();
    billing_link.connect_to(&again);
    eventually("the other is back", async || {
        billing_hand.advance(LONG);
        billing.health().is_up().then_some(())
    })
    .await;
    assert_eq!(consumers(&again, "receipts").await, Some(0), "its own was declared anew");
    publish(&again, "", "work", "cake").await;
    assert_eq!(told.next().await, "billing: cake");
    billing.rabbit_template().convert_and_send("work", "pie").await.unwrap();
    assert_eq!(told.next().await, "billing: pie");
    assert_eq!(consumers(&main, "receipts").await, None);
    assert_eq!(link.attempts(), 1, "the other's connection was never opened again");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_that_one_broker_refuses_waits_for_no_other() {
    let (main, _broker, _hand) = SwitchLink::on();
    main.refuse_logins();
    // Time stands still there: who waits for it waits for ever.
    let (billing, _billing_hand) = SwitchLink::off();
    let (seen, _told) = telling::<String>();
    let builder = Springhare::builder()
        .link(main)
        .named_broker("billing", |it| it.link(billing))
        .listeners(listeners![orders, invoices])
        .manage(seen);
    let error = within_limit("the start", builder.start()).await.unwrap_err();
    assert!(error.to_string().contains("refuses user 'guest'"), "{error}");
}
