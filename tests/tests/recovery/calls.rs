use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::FutureExt;
use springhare::CallError;
use springhare::prelude::*;
use springhare_broker::{BasicConsumeOptions, Broker, Channel, Consumer, Delivery};
use springhare_tests::{Proxy, amqp_link, eventually, within_limit};
use tokio::task::JoinSet;

use crate::support::channel_of;
use crate::switch_link::SwitchLink;

/// Answers what comes into the queue, straight at the broker.
struct Responder {
    channel: Channel,
    requests: Consumer,
}

impl Responder {
    async fn at(broker: &Broker) -> Self {
        let channel = channel_of(broker);
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let requests = channel.basic_consume("asked", "", options).await.unwrap();
        Self { channel, requests }
    }

    async fn next(&mut self) -> Delivery {
        within_limit("a request", self.requests.recv()).await.unwrap()
    }

    /// Sends every request's body back.
    async fn echo(mut self) {
        while let Some(request) = self.requests.recv().await {
            let request = &request.message.message;
            let address = request.properties.reply_to.clone().unwrap();
            let mut reply = request.clone();
            reply.properties.reply_to = None;
            self.channel.basic_publish("", &address, Default::default(), reply).await.unwrap();
        }
    }
}

async fn call(rabbit: RabbitTemplate, number: u64) -> Result<u64, CallError> {
    rabbit.convert_send_and_receive("asked", &number).await
}

fn begin(calls: &mut JoinSet<Result<u64, CallError>>, rabbit: &RabbitTemplate, count: u64) {
    for number in 0..count {
        calls.spawn(call(rabbit.clone(), number));
    }
}

/// All that wait end at once, and not with their time.
async fn all_are_unknown(calls: &mut JoinSet<Result<u64, CallError>>) {
    while let Some(ended) = within_limit("the end of a call", calls.join_next()).await {
        let error = ended.unwrap().unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{error}");
    }
}

/// The connection is cut: every call that waits ends, since whether it was handled is not known, and
/// the next one finds another connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_ends_the_calls_that_wait_and_no_more() {
    let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let broker = Broker::builder().listen(listening).start().unwrap();
    let proxy = Proxy::start(broker.local_addrs()[0]).await.unwrap();
    let app = Springhare::builder()
        .link(amqp_link(proxy.address()))
        .listeners(listeners![])
        .declare(Queue::durable("asked"))
        .reply_timeout(springhare_tests::LIMIT * 2)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let mut responder = Responder::at(&broker).await;
    for _ in 0..3 {
        let mut calls = JoinSet::new();
        begin(&mut calls, &rabbit, 32);
        for _ in 0..32 {
            responder.next().await;
        }
        proxy.cut();
        all_are_unknown(&mut calls).await;
    }
    proxy.refuse();
    proxy.cut();
    let error = eventually("no connection comes about", async || {
        match within_limit("the end of a call", call(rabbit.clone(), 1)).await.unwrap_err() {
            error @ CallError::NotSent(_) => Some(error),
            _ => None,
        }
    })
    .await;
    assert!(error.to_string().starts_with("the request was not sent"), "{error}");
    proxy.resume();
    tokio::spawn(responder.echo());
    let reply = within_limit("a reply", call(rabbit.clone(), 7)).await;
    assert_eq!(reply.unwrap(), 7);
    app.stop().await.unwrap();
}

/// The same in one process, where the broker ends with all that is in it.
#[tokio::test]
async fn calls_work_again_at_the_broker_that_comes_after() {
    let (link, broker, _hand) = SwitchLink::on();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![])
        .declare(Queue::durable("asked"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let mut responder = Responder::at(&broker).await;
    let mut calls = JoinSet::new();
    begin(&mut calls, &rabbit, 8);
    for _ in 0..8 {
        responder.next().await;
    }
    link.close_connections();
    all_are_unknown(&mut calls).await;
    begin(&mut calls, &rabbit, 8);
    for _ in 0..8 {
        responder.next().await;
    }
    link.kill_broker();
    all_are_unknown(&mut calls).await;
    let error = call(rabbit.clone(), 1).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent(_)), "{error}");
    let broker = link.new_broker();
    link.connect_to(&broker);
    let answering = async {
        let declared = async || channel_of(&broker).queue_declare_passive("asked").await.ok();
        eventually("the queue is declared", declared).await;
        Responder::at(&broker).await.echo().await;
    };
    tokio::select! {
        reply = within_limit("a reply", call(rabbit.clone(), 7)) => assert_eq!(reply.unwrap(), 7),
        () = answering => panic!("the broker ended"),
    }
    app.stop().await.unwrap();
}

/// A broker that takes no messages reads none: what is to be sent waits, bounded, and a request whose
/// call gives up before that is never sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_the_broker_does_not_read_do_not_pile_up() {
    const CALLS: u64 = 20;
    let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let broker = Broker::builder().memory_high_watermark(100_000).listen(listening);
    let broker = broker.start().unwrap();
    let app = Springhare::builder()
        .link(amqp_link(broker.local_addrs()[0]))
        .listeners(listeners![])
        .declare(Queue::durable("asked"))
        .declare(Queue::durable("full"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let call = |timeout| {
        let request = Message::new(vec![0_u8; 1 << 20]);
        rabbit.send_and_receive("asked", request).timeout(timeout).into_future()
    };
    // Their channel is open from then on.
    let answering = Responder::at(&broker).await.echo();
    tokio::select! {
        reply = within_limit("a reply", call(springhare_tests::LIMIT)) => drop(reply.unwrap()),
        () = answering => panic!("the broker ended"),
    }
    rabbit.convert_and_send("full", vec![0_u8; 120_000]).await.unwrap();
    for _ in 0..CALLS {
        let ended = within_limit("the end of a call", call(Duration::from_millis(10))).await;
        assert!(matches!(ended, Err(CallError::Timeout { .. })), "{ended:?}");
    }
    let mut responder = Responder::at(&broker).await;
    rabbit.receive("full").await.unwrap().unwrap();
    let last = tokio::spawn(self::call(rabbit.clone(), 7));
    let mut sent = 0;
    while responder.next().await.message.message.body.len() > 1 {
        sent += 1;
    }
    assert!(sent < CALLS / 2, "{sent} of {CALLS} were sent though nobody waits for them any more");
    last.abort();
    app.stop().await.unwrap();
}

/// It would wait for room that nobody makes for as long as its own time.
#[tokio::test]
async fn a_stop_ends_a_call_that_waits_for_room() {
    let broker = Broker::builder().memory_high_watermark(10_000).start().unwrap();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![])
        .declare(Queue::durable("asked"))
        .declare(Queue::durable("full"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let answering = Responder::at(&broker).await.echo();
    tokio::select! {
        reply = within_limit("a reply", call(rabbit.clone(), 7)) => assert_eq!(reply.unwrap(), 7),
        () = answering => panic!("the broker ended"),
    }
    rabbit.convert_and_send("full", vec![0_u8; 12_000]).await.unwrap();
    let request = rabbit.convert_send_and_receive::<u64>("asked", &7);
    let mut waiting = request.timeout(Duration::from_secs(3600)).into_future();
    assert!((&mut waiting).now_or_never().is_none(), "there is room");
    app.stop().await.unwrap();
    let ended = within_limit("the end of the call", waiting).await;
    assert!(matches!(ended, Err(CallError::Stopped)), "{ended:?}");
}
