//! What a scrape shows when nothing but the builder and the routes has asked for metrics. The recorder is
//! the process's, so this is a process of its own.

use axum::body::Body;
use axum::http::Request;
use springhare::prelude::*;
use springhare::test::Harness;
use springhare::web;
use tower::ServiceExt as _;

#[rabbit_listener(id = "y.early", queue = "y.early")]
async fn early() {}

#[tokio::test]
async fn what_happened_before_the_first_scrape_is_counted() {
    let h = Harness::start(|app| app.metrics().listeners(listeners![early])).await.unwrap();
    h.rabbit().convert_and_send("y.early", "tea").await.unwrap();
    h.listener("y.early").await_calls(1).await;
    let routes = web::routes(h.app());
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let body = routes.oneshot(request).await.unwrap().into_body();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let line = |start: &str| body.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("rabbitmq_consumed_total{").ends_with(" 1"), "{body}");
    assert!(line("spring_rabbitmq_listener_active{").ends_with(" 0"), "{body}");
    h.stop().await.unwrap();
}
