//! Request and reply: for when the caller must have the result. What a handler returns is the reply.
//!
//! `cargo run --example rpc`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use springhare::prelude::*;
use springhare::{CallError, RemoteError};
use springhare_examples::{Result, work};
use tokio::task::JoinSet;

#[derive(Serialize, Deserialize)]
struct Order {
    article: String,
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct Offer {
    cents: u32,
}

#[rabbit_listener(queue = "boot_prices", concurrency = 2)]
async fn price(Json(order): Json<Order>) -> ListenerResult<Json<Offer>> {
    let cents = match order.article.as_str() {
        "tea" => 250,
        "bread" => 320,
        // The caller is told, and no other attempt is made.
        other => return Err(ListenerError::msg(format!("there is no {other}"))),
    };
    Ok(Json(Offer { cents: cents * order.count }))
}

/// Takes longer than its caller has patience.
#[rabbit_listener(queue = "boot_appraisals")]
async fn appraise(Text(_article): Text) -> Text {
    work(Duration::from_secs(1)).await;
    Text("priceless".to_owned())
}

#[tokio::main]
async fn main() -> Result {
    let app = Springhare::builder().start().await?;
    let rabbit = app.rabbit_template();

    // Many calls may be on their way at a time: they share one consumer for their replies.
    let mut calls = JoinSet::new();
    for (article, count) in [("tea", 1), ("tea", 4), ("bread", 2)] {
        let rabbit = rabbit.clone();
        calls.spawn(async move {
            let order = Order { article: article.to_owned(), count };
            let offer: Offer = rabbit.convert_send_and_receive("boot_prices", &order).await?;
            springhare::Result::Ok((order, offer))
        });
    }
    let mut offers = calls.join_all().await.into_iter().collect::<springhare::Result<Vec<_>>>()?;
    offers.sort_by_key(|(_, offer)| offer.cents);
    for (Order { article, count }, Offer { cents }) in offers {
        println!("  main           asked for  {count} {article:<24} and got {cents} cents");
    }

    let gold = Order { article: "gold".to_owned(), count: 1 };
    let offer = rabbit.convert_send_and_receive::<Offer>("boot_prices", &gold).await;
    match offer {
        Err(CallError::Remote(RemoteError { message, .. })) => {
            println!("  main           was told   {message}");
        }
        Err(other) => return Err(format!("expected the handler's error, got {other}").into()),
        Ok(Offer { cents }) => return Err(format!("gold for {cents} cents").into()),
    }

    let nobody = rabbit.convert_send_and_receive::<Offer>("boot_nobody", &gold).await;
    let Err(CallError::Unroutable(_)) = nobody else {
        return Err("a request to a queue that is not there was sent".into());
    };
    println!("  main           knows      that nobody listens to boot_nobody");

    let appraisal = rabbit.convert_send_and_receive::<String>("boot_appraisals", "a painting");
    let Err(CallError::Timeout { after }) = appraisal.timeout(Duration::from_millis(50)).await
    else {
        return Err("an appraisal came too soon".into());
    };
    println!(
        "  main           gave up    after {after:?}; the reply that comes later harms nobody"
    );

    app.stop().await?;
    println!("three calls were answered, and three others say why not");
    Ok(())
}
