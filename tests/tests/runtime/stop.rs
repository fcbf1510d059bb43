use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use springhare::prelude::*;
use springhare::{CLOSE_DEADLINE, Error, STOP_DEADLINE, SpringhareBuilder};
use springhare_broker::{Broker, ManualClock};
use springhare_tests::{Proxy, amqp_link, eventually, within_limit};
use tokio::task::JoinHandle;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::{Gate, Tell, Told, broker, ready, someone_sleeps, telling};

#[rabbit_listener(queue = "slow")]
async fn slow(number: Json<u32>, gate: State<Gate>, seen: State<Tell<u32>>) {
    seen.tell(number.0);
    gate.pass().await;
}

/// An application with five messages prefetched and its handler at the gate with the first.
struct Scene {
    app: Arc<Springhare>,
    gate: Gate,
    numbers: Told<u32>,
    hand: ManualClock,
    broker: Broker,
}

impl Scene {
    async fn at_the_gate() -> Self {
        Self::at_the_gate_of(Springhare::builder()).await
    }

    async fn at_the_gate_of(builder: SpringhareBuilder) -> Self {
        let (broker, hand) = broker();
        let (seen, mut numbers) = telling::<u32>();
        let gate = Gate::closed();
        let app = builder
            .broker(broker.clone())
            .listeners(listeners![slow])
            .manage(gate.clone())
            .manage(seen)
            .start()
            .await
            .unwrap();
        let rabbit = app.rabbit_template();
        rabbit.convert_and_send_all((0..5_u32).map(|n| ("slow", n.to_string()))).await.unwrap();
        assert_eq!(numbers.next().await, 0);
        assert_eq!(ready(&rabbit, "slow").await, 0, "all are prefetched");
        Self { app: Arc::new(app), gate, numbers, hand, broker }
    }

    /// Begins to stop, and waits until the stop waits for the handlers.
    async fn stopping(&self) -> JoinHandle<springhare::Result<()>> {
        let app = Arc::clone(&self.app);
        let stopping = tokio::spawn(async move { app.stop().await });
        someone_sleeps(&self.hand).await;
        stopping
    }
}

/// What is left in the queue, as another application sees it.
async fn left(broker: &Broker) -> u64 {
    let channel = broker.connect("afterwards").unwrap().open_channel().unwrap();
    channel.queue_declare_passive("slow").await.unwrap().message_count
}

/// What was logged.
#[derive(Debug, Default, Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn after_the_deadline_what_is_not_finished_is_requeued() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let _logging = subscriber.set_default();
    let mut scene = Scene::at_the_gate().await;
    let stopping = scene.stopping().await;
    let Scene { gate, numbers, hand, broker, .. } = &mut scene;
    gate.let_through(1);
    assert_eq!(numbers.next().await, 1, "the first is done, the second waits");
    hand.advance(STOP_DEADLINE);
    within_limit("the stop", stopping).await.unwrap().unwrap();
    assert_eq!(left(broker).await, 4);
    assert!(numbers.is_silent());
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warning = text.lines().find(|line| line.contains("were not done in time")).unwrap();
    assert!(warning.contains("held=\"runtime::stop::slow: 4\""), "{warning}");
}

#[tokio::test]
async fn handlers_have_as_long_as_the_application_says() {
    let builder = Springhare::builder().shutdown_timeout(2 * STOP_DEADLINE);
    let mut scene = Scene::at_the_gate_of(builder).await;
    let stopping = scene.stopping().await;
    let Scene { gate, numbers, hand, broker, .. } = &mut scene;
    hand.advance(STOP_DEADLINE);
    gate.let_through(1);
    assert_eq!(numbers.next().await, 1, "it is waited for");
    hand.advance(STOP_DEADLINE);
    within_limit("the stop", stopping).await.unwrap().unwrap();
    assert_eq!(left(broker).await, 4);
}

type Itself = Arc<OnceLock<Weak<Springhare>>>;

#[rabbit_listener(queue = "last")]
async fn stop_the_application(_order: Text, itself: State<Itself>, seen: State<Tell<()>>) {
    let app = itself.get().and_then(Weak::upgrade).unwrap();
    seen.tell(());
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_handler_can_stop_its_application() {
    let (broker, hand) = broker();
    let (seen, mut called) = telling::<()>();
    let itself = Itself::default();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![stop_the_application])
        .manage(Arc::clone(&itself))
        .manage(seen)
        .start()
        .await
        .unwrap();
    let app = Arc::new(app);
    itself.set(Arc::downgrade(&app)).unwrap();
    app.rabbit_template().convert_and_send("last", "order").await.unwrap();
    called.next().await;
    someone_sleeps(&hand).await;
    hand.advance(STOP_DEADLINE);
    within_limit("the run", app.run()).await.unwrap();
}

/// Blocks its thread until the test lets it go, or is gone.
type Block = Mutex<std::sync::mpsc::Receiver<()>>;

#[rabbit_listener(id = "blocking", group = "blockers", queue = "blocks")]
async fn block_the_thread(_order: Text, block: State<Block>, seen: State<Tell<()>>) {
    seen.tell(());
    block.lock().unwrap().recv().ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_whose_handler_blocks_starts_anew_once_that_is_done() {
    let (broker, hand) = broker();
    let (seen, mut called) = telling::<()>();
    let (release, block) = std::sync::mpsc::channel();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![block_the_thread])
        .manage(Block::new(block))
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("blocks", "one").await.unwrap();
    called.next().await;
    let app = Arc::new(app);
    let stopping = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.stop_group("blockers").await }
    });
    eventually("the listener is given up", async || {
        hand.advance(STOP_DEADLINE);
        stopping.is_finished().then_some(())
    })
    .await;
    stopping.await.unwrap().unwrap();
    let refused = app.start_group("blockers").await.unwrap_err();
    assert!(matches!(&refused, Error::StillStopping { id } if id == "blocking"), "{refused}");
    // No later call blocks.
    drop(release);
    eventually("it starts", async || app.start_listener("blocking").await.ok()).await;
    while !called.is_silent() {
        called.next().await;
    }
    rabbit.convert_and_send("blocks", "two").await.unwrap();
    called.next().await;
    app.force_stop().await.unwrap();
}

/// Tells this process to end; somebody listens to that, so it does not.
#[cfg(unix)]
fn terminate_ourselves() {
    let id = std::process::id().to_string();
    std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn an_application_runs_until_it_is_told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};

    // From now on the signal ends nothing by itself.
    let _listening = signal(SignalKind::terminate()).unwrap();
    let Scene { app, gate, mut numbers, broker, .. } = Scene::at_the_gate().await;
    let running = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.run().await.map_err(|error| error.to_string()) }
    });
    gate.let_through(1000);
    eventually("it stops", || {
        terminate_ourselves();
        std::future::ready(running.is_finished().then_some(()))
    })
    .await;
    running.await.unwrap().unwrap();
    assert_eq!(numbers.next().await, 1);
    assert_eq!(left(&broker).await, 0, "the handlers were waited for");
}

#[tokio::test]
async fn a_run_ends_with_a_stop() {
    let Scene { app, gate, .. } = Scene::at_the_gate().await;
    gate.let_through(1000);
    let running = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.run().await.map_err(|error| error.to_string()) }
    });
    app.stop().await.unwrap();
    within_limit("the run", running).await.unwrap().unwrap();
}

#[rabbit_listener(queue = "answers")]
async fn answer(question: Text) -> Text {
    question
}

#[rabbit_listener(queue = "questions")]
async fn ask(
    question: Text,
    rabbit: RabbitTemplate,
    gate: State<Gate>,
    seen: State<Tell<String>>,
) -> ListenerResult {
    seen.tell(question.0);
    gate.pass().await;
    let asking = rabbit.convert_send_and_receive::<String>("answers", "tea?");
    let answer = asking.timeout(Duration::from_secs(3600)).await;
    seen.tell(format!("{answer:?}"));
    answer?;
    Ok(())
}

#[tokio::test]
async fn a_call_to_a_listener_that_has_stopped_holds_up_no_stop() {
    let (broker, hand) = broker();
    let (seen, mut told) = telling::<String>();
    let gate = Gate::closed();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![answer, ask])
        .manage(gate.clone())
        .manage(seen)
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send("questions", "tea?").await.unwrap();
    assert_eq!(told.next().await, "tea?");
    let stopping = tokio::spawn(async move { app.stop().await });
    let onlooker = broker.connect("onlooker").unwrap().open_channel().unwrap();
    eventually("the one who answers has stopped", async || {
        let answers = onlooker.queue_declare_passive("answers").await.unwrap();
        (answers.consumer_count == 0).then_some(())
    })
    .await;
    gate.let_through(1);
    // Long before the call's own time.
    eventually("the call is given up", async || {
        hand.advance(Duration::from_millis(10));
        (!told.is_silent()).then_some(())
    })
    .await;
    assert_eq!(told.next().await, "Err(the application is stopped)");
    within_limit("the stop", stopping).await.unwrap().unwrap();
}

#[rabbit_listener(id = "frozen", queue = "frozen", broker = "billing")]
async fn frozen(_invoice: Text) {}

#[tokio::test]
async fn a_broker_that_answers_nothing_holds_a_stop_up_for_no_longer_than_it_says() {
    let served = Broker::builder().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let proxy = Proxy::start(served.local_addrs()[0]).await.unwrap();
    // No time passes but what the test says.
    let (main, hand) = broker();
    let link = amqp_link(proxy.address()).with_clock(main.clock().clone());
    let app = Springhare::builder()
        .broker(main.clone())
        .named_broker("billing", |it| it.link(link).declare(Queue::durable("receipts")))
        .listeners(listeners![slow, frozen])
        .manage(Gate::closed())
        .manage(telling::<u32>().0)
        .start()
        .await
        .unwrap();
    let billing = app.broker("billing").unwrap().rabbit_template();
    // All of its connections are open.
    billing.convert_and_send("receipts", "tea").await.unwrap();
    assert!(billing.receive("receipts").await.unwrap().is_some());
    proxy.freeze();
    let rabbit = app.rabbit_template();
    let stopping = tokio::spawn(async move { app.stop().await });
    let onlooker = main.connect("onlooker").unwrap().open_channel().unwrap();
    eventually("the stop waits for the frozen one", async || {
        let slow = onlooker.queue_declare_passive("slow").await.unwrap();
        (slow.consumer_count == 0).then_some(())
    })
    .await;
    hand.advance(STOP_DEADLINE);
    // The other is stopped by now, beside it.
    eventually("the template is stopped", async || {
        hand.advance(Duration::from_millis(50));
        let sent = rabbit.convert_and_send("slow", "1").await;
        matches!(sent, Err(Error::Stopped)).then_some(())
    })
    .await;
    hand.advance(CLOSE_DEADLINE);
    let stopped = within_limit("the stop", stopping).await.unwrap();
    let text = stopped.unwrap_err().to_string();
    assert!(text.contains("did not answer connection.close within 3s"), "{text}");
}

#[rabbit_listener(id = "invoices", queue = "invoices", broker = "billing")]
async fn invoices(_invoice: Text, seen: State<Tell<()>>) {
    seen.tell(());
}

#[tokio::test]
async fn a_listener_whose_broker_answers_nothing_ends_once_its_stop_is_forced() {
    let served = Broker::builder().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let proxy = Proxy::start(served.local_addrs()[0]).await.unwrap();
    let (main, hand) = broker();
    let (seen, mut called) = telling::<()>();
    let link = amqp_link(proxy.address()).with_clock(main.clock().clone());
    let app = Springhare::builder()
        .broker(main)
        .named_broker("billing", |it| it.link(link))
        .listeners(listeners![invoices])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let billing = app.broker("billing").unwrap().rabbit_template();
    billing.convert_and_send("invoices", "tea").await.unwrap();
    called.next().await;
    proxy.freeze();
    let sleepers = hand.sleepers();
    let mut stopping = Box::pin(app.stop_listener("invoices"));
    assert!(futures_util::poll!(&mut stopping).is_pending());
    assert!(hand.sleepers() > sleepers, "it waits with a deadline");
    hand.advance(STOP_DEADLINE);
    within_limit("the listener's stop", stopping).await.unwrap();
}
