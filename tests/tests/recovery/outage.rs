use springhare::prelude::*;
use springhare::{Error, ListenerStatus};
use springhare_broker::{Broker, ManualClock};
use springhare_tests::eventually;

use crate::support::{
    LONG, Tell, Told, channel_of, consumers, is_down, is_up_again, publish, status, telling,
};
use crate::switch_link::{ADDRESS, SwitchLink};

#[rabbit_listener(id = "orders", queue = "orders", concurrency = 3)]
async fn orders(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

#[rabbit_listener(id = "bills", queue = "bills", exchange = "billing", kind = "topic", key = "#")]
async fn bills(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

/// An application with four consumers on one connection.
struct Scene {
    app: Springhare,
    link: SwitchLink,
    broker: Broker,
    hand: ManualClock,
    told: Told<String>,
}

impl Scene {
    async fn started() -> Self {
        let (link, broker, hand) = SwitchLink::on();
        let (seen, told) = telling::<String>();
        let app = Springhare::builder()
            .link(link.clone())
            .listeners(listeners![orders, bills])
            .declare(Exchange::fanout("nobodys"))
            .manage(seen)
            .start()
            .await
            .unwrap();
        assert!(app.health().is_up());
        Self { app, link, broker, hand, told }
    }

    /// Another broker is there, which knows nothing.
    async fn replace_broker(&mut self) {
        self.broker = self.link.new_broker();
        self.link.connect_to(&self.broker);
        is_up_again(&self.app, &self.hand).await;
    }

    async fn works(&mut self) {
        publish(&self.broker, "", "orders", "tea").await;
        assert_eq!(self.told.next().await, "tea");
    }
}

#[tokio::test]
async fn a_broker_that_is_killed_and_comes_back_empty_has_everything_again() {
    let mut scene = Scene::started().await;
    for _ in 0..3 {
        scene.link.kill_broker();
        is_down(&scene.app).await;
        eventually("the health names both, and where the broker should be", async || {
            let health = scene.app.health().to_string();
            let words = ["down: ", "`bills`", "`orders`", ADDRESS];
            words.iter().all(|word| health.contains(word)).then_some(())
        })
        .await;
        assert!(matches!(status(&scene.app, "bills"), ListenerStatus::Recovering { .. }));
        scene.replace_broker().await;
        assert_eq!(consumers(&scene.broker, "orders").await, Some(3));
        channel_of(&scene.broker).exchange_declare_passive("nobodys").await.unwrap();
        publish(&scene.broker, "billing", "a.b", "bill").await;
        assert_eq!(scene.told.next().await, "bill");
        scene.works().await;
    }
    scene.app.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_an_operator_closes_is_opened_once_for_all() {
    let mut scene = Scene::started().await;
    let before = scene.link.attempts();
    scene.link.close_connections();
    is_up_again(&scene.app, &scene.hand).await;
    assert_eq!(consumers(&scene.broker, "orders").await, Some(3));
    assert_eq!(scene.link.attempts(), before + 1);
    scene.works().await;
    scene.app.stop().await.unwrap();
}

#[tokio::test]
async fn all_consumers_together_make_few_attempts() {
    let mut scene = Scene::started().await;
    let before = scene.link.attempts();
    scene.link.kill_broker();
    let begun = scene.link.attempts();
    for _ in 0..300 {
        scene.hand.advance(std::time::Duration::from_millis(100));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    let attempts = scene.link.attempts() - before.min(begun);
    assert!((6..=25).contains(&attempts), "{attempts} attempts in 30 seconds");
    scene.replace_broker().await;
    scene.works().await;
    scene.app.stop().await.unwrap();
}

#[tokio::test]
async fn a_listener_that_is_stopped_during_an_outage_stays_stopped() {
    let mut scene = Scene::started().await;
    scene.link.kill_broker();
    is_down(&scene.app).await;
    scene.app.stop_listener("orders").await.unwrap();
    assert_eq!(status(&scene.app, "orders"), ListenerStatus::Stopped);
    let health = scene.app.health().to_string();
    assert!(!health.contains("`orders`"), "who was stopped is not missed: {health}");
    let away = scene.app.start_listener("orders").await.unwrap_err();
    assert!(matches!(&away, Error::Link(_)) && away.to_string().contains(ADDRESS), "{away}");
    assert_eq!(status(&scene.app, "orders"), ListenerStatus::Stopped);

    scene.replace_broker().await;
    assert_eq!(status(&scene.app, "bills"), ListenerStatus::Consuming);
    assert_eq!(status(&scene.app, "orders"), ListenerStatus::Stopped);
    assert_eq!(consumers(&scene.broker, "orders").await, Some(0), "its queue is there, alone");
    scene.app.start_listener("orders").await.unwrap();
    assert_eq!(status(&scene.app, "orders"), ListenerStatus::Consuming);
    scene.works().await;
    scene.app.stop().await.unwrap();
}

#[tokio::test]
async fn an_application_stops_during_an_outage_and_does_not_come_back() {
    let scene = Scene::started().await;
    scene.link.kill_broker();
    is_down(&scene.app).await;
    scene.app.stop().await.unwrap();
    let attempts = scene.link.attempts();
    let broker = scene.link.new_broker();
    scene.link.connect_to(&broker);
    for _ in 0..50 {
        scene.hand.advance(LONG);
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.link.attempts(), attempts);
    assert!(scene.app.health().is_up(), "nobody is to consume");
    assert!(scene.told.is_silent());
}

#[rabbit_listener(id = "busy", queue = "busy")]
async fn busy(text: Text, seen: State<Tell<String>>, gate: State<tokio::sync::Semaphore>) {
    seen.tell(text.0);
    gate.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn a_listener_whose_handler_is_busy_does_not_look_well_without_its_channel() {
    let (link, broker, hand) = SwitchLink::on();
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![busy])
        .manage(seen)
        .manage(tokio::sync::Semaphore::new(0))
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send("busy", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    link.close_connections();
    eventually("the connection is back without it", async || {
        hand.advance(LONG);
        (link.attempts() > 1).then_some(())
    })
    .await;
    assert!(matches!(status(&app, "busy"), ListenerStatus::Recovering { .. }));
    assert_eq!(consumers(&broker, "busy").await, Some(0));
    app.force_stop().await.unwrap();
}
