//! An HTTP controller that answers at once and leaves the slow work to listeners: it publishes
//! that somebody has registered, and text message and e-mail are sent after the answer.
//!
//! `cargo run --example controller`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

#[derive(Debug, Serialize, Deserialize)]
struct Registration {
    name: String,
    phone: String,
    email: String,
}

/// Axum's `State` holds the template, as a field would in a Spring controller.
async fn register(
    AppState(rabbit): AppState<RabbitTemplate>,
    axum::Json(registration): axum::Json<Registration>,
) -> (StatusCode, String) {
    match rabbit.convert_and_send(("registrations", ""), &registration).await {
        Ok(()) => (StatusCode::ACCEPTED, format!("welcome, {}", registration.name)),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

/// The slow outside world: nothing goes out before it has a free slot.
#[derive(Clone)]
struct Gateway(Arc<Semaphore>);

#[rabbit_listener(queue = "sms", exchange = "registrations", kind = "fanout")]
async fn send_sms(
    Json(registration): Json<Registration>,
    gateway: State<Gateway>,
    ledger: State<Ledger>,
) -> ListenerResult {
    let _slot = gateway.0.acquire().await?;
    ledger.got("send_sms", registration.phone, "signed for once it is sent");
    Ok(())
}

#[rabbit_listener(queue = "email", exchange = "registrations", kind = "fanout")]
async fn send_email(
    Json(registration): Json<Registration>,
    gateway: State<Gateway>,
    ledger: State<Ledger>,
) -> ListenerResult {
    let _slot = gateway.0.acquire().await?;
    ledger.got("send_email", registration.email, "signed for once it is sent");
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let gateway = Gateway(Arc::new(Semaphore::new(0)));
    let app = Springhare::builder().manage(ledger).manage(gateway.clone()).start().await?;

    let router = Router::new().route("/register", post(register)).with_state(app.rabbit_template());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(axum::serve(listener, router).into_future());

    let body = r#"{"name":"Ada","phone":"+44 20 7946 0000","email":"ada@example.org"}"#;
    published("Ada's registration", format!("to http://{address}/register"));
    let answer = post_json(address, "/register", body).await?;
    println!("  controller     answered   {}", answer.lines().next().unwrap_or_default());

    // The answer is here and nothing is sent yet. A controller that waited for the listeners
    // would never have answered: the gateway lets them only now.
    if !answer.starts_with("HTTP/1.1 202") || !answer.ends_with("welcome, Ada") {
        return Err(format!("unexpected answer: {answer}").into());
    }
    if !entries.is_empty() {
        return Err("a listener was done before the answer".into());
    }
    gateway.0.add_permits(2);
    entries.expect(&[("send_sms", 1), ("send_email", 1)]).await?;

    server.abort();
    app.stop().await?;
    println!("answered first, then sent both");
    Ok(())
}

/// The smallest HTTP client that does it.
async fn post_json(address: SocketAddr, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
