use std::sync::Arc;

use springhare::amqp::{AmqpError, MethodId, ReplyCode};
use springhare::connection::{Link, LinkConnection, LinkError, LinkFuture};
use springhare::prelude::*;
use springhare::{Error, ListenerStatus, Startup};
use springhare_broker::Clock;
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

/// A link on which connections of this name fail.
#[derive(Debug)]
struct Failing {
    link: SwitchLink,
    name: &'static str,
    error: LinkError,
}

impl Link for Failing {
    fn describe(&self) -> String {
        self.link.describe()
    }

    fn clock(&self) -> &Clock {
        self.link.clock()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            match name.contains(self.name) {
                true => Err(self.error.clone()),
                false => self.link.connect(name).await,
            }
        })
    }
}

#[tokio::test]
async fn a_start_says_which_broker_it_could_not_connect_to() {
    let refused = AmqpError::new(ReplyCode::NotAllowed, MethodId::CONNECTION_OPEN, "no more room");
    let late = LinkError::TimedOut { operation: "connection.open", after: LONG };
    for name in ["listeners", "publisher"] {
        for error in [
            LinkError::Amqp(refused.clone()),
            LinkError::Closed { what: "connection", reason: Some(refused.clone()) },
            late.clone(),
        ] {
            let failing = || Failing { link: SwitchLink::on().0, name, error: error.clone() };
            let several = Springhare::builder()
                .link(SwitchLink::on().0)
                .named_broker("billing", |it| it.link(failing()).startup(Startup::Fail))
                .listeners(listeners![]);
            let told = several.start().await.unwrap_err();
            let words = format!("cannot connect to broker `billing` (switch://broker): {error}");
            assert_eq!(told.to_string(), words);
            assert_eq!(told.amqp().map(AmqpError::code), error.amqp().map(AmqpError::code));
            let alone = Springhare::builder().link(failing()).startup(Startup::Fail);
            let told = alone.listeners(listeners![]).start().await.unwrap_err().to_string();
            assert!(told.contains(&error.to_string()) && !told.contains("broker `"), "{told}");
        }
    }
}
