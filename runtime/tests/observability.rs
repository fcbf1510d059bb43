//! What an application shows of itself: metrics, health over HTTP, spans. One recorder and one
//! subscriber serve the whole process, so each case has queues of its own.
#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;
use springhare::prelude::*;
use springhare::{Error, metrics, web};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower::ServiceExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

type Seen = State<UnboundedSender<String>>;

fn seeing() -> (UnboundedSender<String>, UnboundedReceiver<String>) {
    unbounded_channel()
}

#[rabbit_listener(id = "v.handle", queue = "v.handled")]
async fn handle(Text(body): Text, seen: Seen) -> ListenerResult {
    seen.send(body.clone())?;
    match body.as_str() {
        "bad" => Err(ListenerError::fatal("bad")),
        "panic" => panic!("as it was told"),
        _ => Ok(()),
    }
}

/// The value of the metric whose line begins so.
fn value(rendered: &str, name: &str, labels: &[&str]) -> f64 {
    let line = rendered.lines().find(|line| {
        line.split(['{', ' ']).next() == Some(name)
            && labels.iter().all(|label| line.contains(label))
    });
    let line = line.unwrap_or_else(|| panic!("no {name} {labels:?} in\n{rendered}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_happens_is_counted_under_micrometers_names() {
    let prometheus = metrics::prometheus().unwrap();
    let (sender, mut seen) = seeing();
    let builder = Springhare::builder().metrics().manage(sender).listeners(listeners![handle]);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    let before = prometheus.render();
    let published = |rendered: &str| {
        rendered
            .lines()
            .find_map(|line| line.strip_prefix("rabbitmq_published_total ")?.parse().ok())
    };
    let before: f64 = published(&before).unwrap_or_default();
    for body in ["tea", "bad", "cake"] {
        rabbit.convert_and_send("v.handled", body).await.unwrap();
        seen.recv().await.unwrap();
    }
    assert!(matches!(rabbit.convert_and_send("v.none", "x").await, Err(Error::Unroutable(_))));
    app.stop().await.unwrap();
    let rendered = prometheus.render();
    let labels = ["listener_id=\"v.handle\"", "queue=\"v.handled\""];
    let of = |result: &str, exception: &str| {
        let result = format!("result=\"{result}\"");
        let exception = format!("exception=\"{exception}\"");
        let labels = [labels[0], labels[1], &*result, &*exception];
        value(&rendered, "spring_rabbitmq_listener_seconds_count", &labels)
    };
    assert_eq!(of("success", "none"), 2.0);
    assert_eq!(of("failure", "fatal"), 1.0);
    assert_eq!(value(&rendered, "spring_rabbitmq_listener_active", &labels), 0.0);
    assert_eq!(value(&rendered, "rabbitmq_consumed_total", &labels), 3.0);
    let parked = ["queue=\"v.handled.error\"", "reason=\"fatal\""];
    assert_eq!(value(&rendered, "springhare_parked_total", &parked), 1.0);
    // Three, the one that came back, and the one that was parked.
    assert!(value(&rendered, "rabbitmq_published_total", &[]) >= before + 5.0);
    assert!(value(&rendered, "rabbitmq_unrouted_published_total", &[]) >= 1.0);
    assert!(value(&rendered, "rabbitmq_acknowledged_published_total", &[]) >= 4.0);
    let connections = ["connection=\"listeners\""];
    assert!(value(&rendered, "springhare_connections_opened_total", &connections) >= 1.0);
}

#[rabbit_listener(id = "v.held", queue = "v.held")]
async fn hold(seen: Seen) -> ListenerResult {
    seen.send("held".to_owned())?;
    std::future::pending().await
}

#[tokio::test]
async fn a_handler_that_is_cut_short_is_not_counted_as_at_work_for_ever() {
    let prometheus = metrics::prometheus().unwrap();
    let (sender, mut seen) = seeing();
    let builder = Springhare::builder().metrics().manage(sender).listeners(listeners![hold]);
    let app = builder.start().await.unwrap();
    app.rabbit_template().convert_and_send("v.held", "tea").await.unwrap();
    seen.recv().await.unwrap();
    let active = |rendered: &str| {
        value(rendered, "spring_rabbitmq_listener_active", &["listener_id=\"v.held\""])
    };
    assert_eq!(active(&prometheus.render()), 1.0);
    app.force_stop().await.unwrap();
    assert_eq!(active(&prometheus.render()), 0.0);
}

async fn get(routes: &axum::Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[rabbit_listener(id = "w.lost", queue = "w.lost", auto_startup = false)]
async fn lost() {}

#[tokio::test]
async fn health_is_shown_over_http_and_does_not_keep_the_application_alive() {
    let app = Springhare::builder().listeners(listeners![lost]).start().await.unwrap();
    let routes = web::routes(&app);
    let up = "{\"status\":\"UP\"}".to_owned();
    assert_eq!(get(&routes, "/health/live").await, (StatusCode::OK, up.clone()));
    assert_eq!(get(&routes, "/health/ready").await, (StatusCode::OK, up));
    let (status, health) = get(&routes, "/health").await;
    assert_eq!(status, StatusCode::OK);
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    let lost = json!({
        "id": "w.lost", "broker": "rabbitmq", "status": "UP", "details": "is stopped"
    });
    let broker = json!({"name": "rabbitmq", "status": "UP", "details": "is connected"});
    assert_eq!(health, json!({"status": "UP", "listeners": [lost], "brokers": [broker]}));
    app.stop().await.unwrap();
    let down = "{\"status\":\"OUT_OF_SERVICE\"}".to_owned();
    assert_eq!(get(&routes, "/health/live").await, (StatusCode::SERVICE_UNAVAILABLE, down.clone()));
    drop(app);
    assert_eq!(get(&routes, "/health").await, (StatusCode::SERVICE_UNAVAILABLE, down));
}

#[tokio::test]
async fn a_listener_that_does_not_consume_makes_an_application_not_ready() {
    let builder = Springhare::builder().url("amqp://127.0.0.1:1").listeners(listeners![handle]);
    let (sender, _seen) = seeing();
    let builder = builder.manage(sender).startup(springhare::Startup::Background);
    let app = builder.start().await.unwrap();
    let routes = web::routes(&app);
    let down = "{\"status\":\"DOWN\"}".to_owned();
    assert_eq!(get(&routes, "/health/ready").await, (StatusCode::SERVICE_UNAVAILABLE, down));
    assert_eq!(get(&routes, "/health/live").await.0, StatusCode::OK);
    let (status, health) = get(&routes, "/health").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    let (listener, broker) = (&health["listeners"][0], &health["brokers"][0]);
    assert_eq!((&listener["id"], &listener["status"]), (&json!("v.handle"), &json!("DOWN")));
    assert_eq!((&broker["name"], &broker["status"]), (&json!("rabbitmq"), &json!("DOWN")));
    let details = listener["details"].as_str().unwrap();
    assert!(details.starts_with("is starting: "), "{details}");
    app.stop().await.unwrap();
}

/// Writes down each span with its fields and its parent's name.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl<S> tracing_subscriber::Layer<S> for Spans
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        if attributes.metadata().target() != "springhare::messaging" {
            return;
        }
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.name());
        let mut text = format!("{} in {parent:?}", attributes.metadata().name());
        attributes.record(&mut Fields(&mut text));
        self.0.lock().unwrap().push(text);
    }
}

struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

#[rabbit_listener(id = "t.first", queue = "t.first")]
async fn first(rabbit: RabbitTemplate, seen: Seen) -> ListenerResult {
    rabbit.convert_and_send("t.second", "cake").await?;
    seen.send("first".to_owned())?;
    Ok(())
}

#[tokio::test]
async fn a_publish_and_a_handler_have_spans_by_opentelemetrys_conventions() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    // For all threads: one that has none decides for the others whether a place is listened to.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (sender, mut seen) = seeing();
    let builder = Springhare::builder().declare(Queue::durable("t.second")).manage(sender);
    let app = builder.listeners(listeners![first]).start().await.unwrap();
    let send = app.rabbit_template();
    send.convert_and_send("t.first", "tea").message_id("m-1").await.unwrap();
    seen.recv().await.unwrap();
    app.stop().await.unwrap();
    let spans = spans.0.lock().unwrap().clone();
    let find = |start: &str, queue: &str| {
        let mut of_queue = spans.iter().filter(|span| span.contains(queue));
        let found = of_queue.find(|span| span.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} of {queue} in {spans:#?}"))
    };
    let sent = find("send in None", "t.first");
    for field in [
        "messaging.system=\"rabbitmq\"",
        "messaging.operation.type=\"send\"",
        "messaging.destination.name=\"t.first\"",
        "messaging.message.body.size=3",
    ] {
        assert!(sent.contains(field), "{field} in {sent}");
    }
    let processed = find("process in None", "t.first");
    for field in [
        "otel.name=process t.first",
        "messaging.rabbitmq.message.delivery_tag=1",
        "messaging.destination.name=\"t.first\"",
        "listener=\"t.first\"",
    ] {
        assert!(processed.contains(field), "{field} in {processed}");
    }
    find("send in Some(\"process\")", "t.second");
}
