//! Applications that are set up from outside: a file, the environment, the builder.

use std::path::PathBuf;
use std::time::Duration;

use springhare::AcknowledgeMode;
use springhare::prelude::*;
use springhare_tests::eventually;
use tempfile::TempDir;

use crate::support::{Tell, arrives, broker, refused, someone_sleeps, telling};

/// A file of settings, which goes with the folder.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("springhare.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// What keeps the application from starting.
#[rabbit_listener(id = "orders", queue = "${orders.queue:none}", concurrency = 3)]
async fn orders(text: Text, queue: QueueName, seen: State<Tell<String>>) {
    seen.tell(format!("{} from {}", text.0, queue.as_str()));
}

#[rabbit_listener(id = "sleeper", queue = "sleeper")]
async fn sleeper(_body: Bytes) {}

#[tokio::test]
async fn an_application_is_what_its_file_and_its_environment_say() {
    let (seen, mut texts) = telling::<String>();
    let (broker, _hand) = broker();
    let (_folder, path) = file(
        "[rabbitmq.template]\nexchange = \"shop\"\n[properties]\norders.queue = \"orders-eu\"\n\
         [listener.orders]\nconcurrency = 2\nprefetch = 7\n[listener.sleeper]\nauto-startup = false\n",
    );
    let app = Springhare::builder()
        .broker(broker.clone())
        .config(path)
        .environment([("SPRINGHARE_LISTENER_ORDERS_CONCURRENCY", "1")])
        .listeners(listeners![orders, sleeper])
        .declare(Exchange::topic("shop"))
        .declare(Binding::queue("orders-eu").to("shop").with("order.*"))
        .manage(seen)
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send("order.new", "tea").await.unwrap();
    assert_eq!(texts.next().await, "tea from orders-eu");
    let consumers = |queue| async move {
        let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
        channel.queue_declare_passive(queue).await.unwrap().consumer_count
    };
    assert_eq!(consumers("orders-eu").await, 1);
    assert!(app.health().listeners().iter().any(|one| {
        one.id() == "sleeper" && *one.status() == springhare::ListenerStatus::Stopped
    }));
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_outside_of_the_code_is_told_with_what_is_wrong_in_it() {
    let (_folder, path) = file(
        "[rabbitmq]\nprefech = 1\n[listener.order]\nprefetch = 1\n[listener.sleeper]\n\
         acknowledge-mode = \"manual\"\n",
    );
    let builder = Springhare::builder()
        .config(path)
        .environment([("SPRINGHARE_RABBITMQ_HOTS", "rabbit")])
        .listeners(listeners![orders, sleeper])
        .listener("sleepers", |one| one.acknowledge_mode(AcknowledgeMode::None));
    let text = refused(builder).await;
    for words in [
        "springhare.toml:2:1: there is no `prefech` here",
        "SPRINGHARE_RABBITMQ_HOTS: no setting has this name; did you mean",
        "settings.rs:72: `.listener(\"sleepers\", ..)`: there is no listener `sleepers`; did you mean \
         `sleeper`?",
        "listener `sleeper`: `acknowledge-mode` is set to manual, but the function takes no",
        "listener `orders` needs a `State<",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(text.contains("for 5 reasons"), "{text}");
}

#[tokio::test]
async fn an_address_of_the_environment_that_cannot_be_used_is_a_fault_among_others() {
    let builder = Springhare::builder()
        .environment([("SPRINGHARE_URL", "amqp://shop:s3cret@host:99999")])
        .listeners(listeners![orders]);
    let text = refused(builder).await;
    assert!(text.contains("SPRINGHARE_URL: `url`: 'amqp://host"), "{text}");
    assert!(text.contains("needs a `State<") && !text.contains("s3cret"), "{text}");
}

#[rabbit_listener(id = "sends", queue = "sends")]
async fn sends(_body: Bytes, _outbox: Outbox<'_>) {}

#[rabbit_listener(id = "retries", queue = "retries", retry(max_attempts = 3))]
async fn retries(_body: Bytes) {}

#[rabbit_listener(id = "gives_up", queue = "gives-up", max_attempts = 3)]
async fn gives_up(_body: Bytes) {}

#[rabbit_listener(id = "settles", queue = "settles", ack = "manual")]
async fn settles(_body: Bytes, _channel: Channel, _tag: DeliveryTag) {}

#[tokio::test]
async fn a_mode_that_breaks_what_a_listener_promises_is_refused_wherever_it_is_set() {
    let builder = Springhare::builder()
        .environment([
            ("SPRINGHARE_RABBITMQ_LISTENER_SIMPLE_ACKNOWLEDGE_MODE", "none"),
            ("SPRINGHARE_LISTENER_SETTLES_ACKNOWLEDGE_MODE", "none"),
        ])
        .listeners(listeners![sends, retries, gives_up, settles]);
    let text = refused(builder).await;
    for words in [
        "listener `sends`: `acknowledge-mode` is set to none, but what is in the function's `Outbox`",
        "listener `retries`: `acknowledge-mode` is set to none, but the listener has `retry`",
        "listener `gives_up`: `acknowledge-mode` is set to none, but the listener has `retry`",
        "listener `settles`: `acknowledge-mode` is set to none, but the function takes a",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(text.contains("for 4 reasons"), "{text}");
}

#[tokio::test]
async fn the_most_of_consumers_that_is_less_than_the_least_is_refused() {
    let builder = |most| {
        let app =
            Springhare::builder().environment([("SPRINGHARE_LISTENER_SLEEPER_CONCURRENCY", "4")]);
        app.listeners(listeners![sleeper]).listener("sleeper", move |one| one.max_concurrency(most))
    };
    let text = refused(builder(2)).await;
    assert!(text.contains("listener `sleeper`: `max-concurrency` is 2, and"), "{text}");
    let (broker, _hand) = broker();
    let app = builder(6).broker(broker.clone()).start().await.unwrap();
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    let sleeper = channel.queue_declare_passive("sleeper").await.unwrap();
    assert_eq!(sleeper.consumer_count, 4);
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "fragile", queue = "fragile")]
async fn fragile(attempt: Attempt, calls: State<Tell<u32>>) -> ListenerResult {
    calls.tell(attempt.value());
    Err(ListenerError::msg("it breaks"))
}

#[rabbit_listener(id = "sound", queue = "sound", retry(max_attempts = 2, backoff = "1s"))]
async fn sound(attempt: Attempt, calls: State<Tell<u32>>) -> ListenerResult {
    calls.tell(attempt.value());
    Err(ListenerError::msg("it breaks"))
}

#[tokio::test]
async fn settings_say_how_often_a_handler_is_called_and_when() {
    let (calls, mut told) = telling::<u32>();
    let (broker, hand) = broker();
    let (_folder, path) = file(
        "[rabbitmq.listener.simple.retry]\nenabled = true\nmax-attempts = 4\n\
         initial-interval = \"500ms\"\nmultiplier = 1.8\n\
         [listener.sound.retry]\nenabled = false\n[listener.sound]\nmax-attempts = 1\n",
    );
    let app = Springhare::builder()
        .broker(broker)
        .config(path)
        .environment([("SPRINGHARE_LISTENER_FRAGILE_RETRY_MAX_ATTEMPTS", "3")])
        .listeners(listeners![fragile, sound])
        .manage(calls)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("fragile", "tea").await.unwrap();
    for (call, pause) in [(1, 500), (2, 900)] {
        assert_eq!(told.next().await, call);
        someone_sleeps(&hand).await;
        hand.advance(Duration::from_millis(pause - 1));
        tokio::task::yield_now().await;
        assert!(told.is_silent(), "before the pause after call {call} is over");
        hand.advance(Duration::from_millis(1));
    }
    assert_eq!(told.next().await, 3);
    arrives(&rabbit, "fragile.error").await;
    // What the attribute asks for is turned off for this one.
    rabbit.convert_and_send("sound", "tea").await.unwrap();
    assert_eq!(told.next().await, 1);
    arrives(&rabbit, "sound.error").await;
    assert!(told.is_silent());
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_settings_of_failures_can_not_mean_is_refused_with_the_listener() {
    let builder = Springhare::builder()
        .environment([
            ("SPRINGHARE_LISTENER_SLEEPER_CIRCUIT_FAILURES", "3"),
            ("SPRINGHARE_LISTENER_SLEEPER_RETRY_MAXATTEMPTS", "3"),
            ("SPRINGHARE_LISTENER_SLEEPER_RETRY_MAXRETRIES", "3"),
        ])
        .listeners(listeners![sleeper]);
    let text = refused(builder).await;
    for words in ["listener `sleeper`: `circuit.failures` says", "listener `sleeper`: `retry.max-a"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[tokio::test]
async fn what_a_connection_keeps_to_is_what_the_settings_say() {
    let (_folder, path) = file("[rabbitmq]\nmax-inbound-message-body-size = \"1KB\"\n");
    let address = "127.0.0.1:0".parse().unwrap();
    let served = springhare_broker::Broker::builder().listen(address).start().unwrap();
    let app = Springhare::builder()
        .config(path)
        .environment([("SPRINGHARE_URL", format!("amqp://{}", served.local_addrs()[0]))])
        .listeners(listeners![])
        .declare(Queue::durable("letters"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for size in [1024, 1025] {
        rabbit.convert_and_send("letters", vec![0_u8; size]).await.unwrap();
    }
    assert_eq!(rabbit.receive("letters").await.unwrap().unwrap().body.len(), 1024);
    let refused = rabbit.receive("letters").await.unwrap_err().to_string();
    assert!(refused.contains("1025 bytes") || refused.contains("closed"), "{refused}");
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "dropped", queue = "dropped", requeue_rejected = false)]
async fn dropped(attempt: Attempt, calls: State<Tell<u32>>) -> ListenerResult {
    calls.tell(attempt.value());
    Err(ListenerError::msg("it breaks"))
}

#[tokio::test]
async fn a_setting_for_all_requeues_nothing_of_a_listener_that_says_it_does_not() {
    let (calls, mut told) = telling::<u32>();
    let (broker, _hand) = broker();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listener_defaults(|all| all.max_attempts(5))
        .listeners(listeners![dropped])
        .manage(calls)
        .start()
        .await
        .unwrap();
    app.rabbit_template().convert_and_send("dropped", "tea").await.unwrap();
    assert_eq!(told.next().await, 1);
    app.stop().await.unwrap();
    assert!(told.is_silent(), "it was called once");
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    assert_eq!(channel.queue_declare_passive("dropped").await.unwrap().message_count, 0);
}

#[rabbit_listener(id = "carts", queue = "carts")]
async fn carts(_body: Bytes) {}

#[rabbit_listener(id = "carts-retry", queue = "carts-retry")]
async fn retries_of_carts(_body: Bytes) {}

#[rabbit_listener(id = "carts.retry", queue = "carts.retry")]
async fn more_retries_of_carts(_body: Bytes) {}

#[tokio::test]
async fn a_variable_that_may_be_about_two_listeners_keeps_both_from_starting() {
    let (broker, _hand) = broker();
    let with = |name: &str| Springhare::builder().environment([(name.to_owned(), "5")]);
    let builder = with("SPRINGHARE_LISTENER_CARTS_RETRY_MAX_ATTEMPTS");
    let text = refused(builder.listeners(listeners![carts, retries_of_carts])).await;
    assert!(
        text.contains(
            "SPRINGHARE_LISTENER_CARTS_RETRY_MAX_ATTEMPTS: it may be `retry.max-attempts` of the \
             listener `carts` or `max-attempts` of the listener `carts-retry`"
        ) && text.contains("say it in the file or by the builder"),
        "{text}"
    );
    // The names of these two are one.
    let builder = with("SPRINGHARE_LISTENER_CARTS_RETRY_PREFETCH");
    let text =
        refused(builder.listeners(listeners![retries_of_carts, more_retries_of_carts])).await;
    assert!(text.contains("`carts-retry` or `prefetch` of the listener `carts.retry`"), "{text}");
    // Who is linked in and was not chosen has no settings.
    let builder = with("SPRINGHARE_LISTENER_CARTS_RETRY_MAX_ATTEMPTS").broker(broker.clone());
    let app = builder.listeners(listeners![retries_of_carts]).start().await.unwrap();
    let text = app.listeners().add_all(listeners![carts]).await.unwrap_err().to_string();
    assert!(text.contains("`retry.max-attempts` of the listener `carts` or `max-att"), "{text}");
    app.stop().await.unwrap();
    // Nor does one join that would have what is another's.
    let app = with("SPRINGHARE_LISTENER_LATE_RETRY_MAX_ATTEMPTS").broker(broker);
    let app = app.listeners(listeners![sleeper]).start().await.unwrap();
    let late = |id: &str| Listener::queue(id).handler(|| async {});
    app.listeners().add(late("late-retry")).await.unwrap();
    let text = app.listeners().add(late("late")).await.unwrap_err().to_string();
    assert!(text.contains("`retry.max-attempts` of the listener `late` or `max-att"), "{text}");
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "tried", queue = "tried")]
async fn tried(attempt: Attempt, calls: State<Tell<u32>>) -> ListenerResult {
    calls.tell(attempt.value());
    Err(ListenerError::msg("it breaks"))
}

#[rabbit_listener(
    id = "waits",
    queue = "waits",
    retry(max_attempts = 5, backoff = "1s", delays = ["5s"])
)]
async fn waits(attempt: Attempt, calls: State<Tell<u32>>) -> ListenerResult {
    calls.tell(attempt.value());
    Err(ListenerError::msg("it breaks"))
}

#[tokio::test]
async fn calls_again_are_turned_on_and_off_as_in_spring() {
    let (calls, mut told) = telling::<u32>();
    let (broker, hand) = broker();
    let app = Springhare::builder()
        .broker(broker)
        .environment([
            ("SPRING_RABBITMQ_LISTENER_SIMPLE_RETRY_ENABLED", "true"),
            ("SPRING_RABBITMQ_LISTENER_SIMPLE_RETRY_MAXATTEMPTS", "2"),
            ("SPRING_RABBITMQ_LISTENER_SIMPLE_DEFAULTREQUEUEREJECTED", "false"),
            ("SPRINGHARE_LISTENER_WAITS_RETRY_ENABLED", "false"),
        ])
        .listeners(listeners![tried, waits])
        .manage(calls)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    // What is not requeued is called again all the same, before it is given up.
    rabbit.convert_and_send("tried", "tea").await.unwrap();
    assert_eq!(told.next().await, 1);
    someone_sleeps(&hand).await;
    hand.advance(Duration::from_millis(100));
    assert_eq!(told.next().await, 2);
    arrives(&rabbit, "tried.error").await;
    // Nobody is called again with the same delivery; what waits at the broker comes again.
    rabbit.convert_and_send("waits", "tea").await.unwrap();
    assert_eq!(told.next().await, 1);
    eventually("it comes again", async || {
        hand.advance(Duration::from_secs(5));
        (!told.is_silent()).then_some(())
    })
    .await;
    assert_eq!(told.next().await, 1);
    arrives(&rabbit, "waits.error").await;
    assert!(told.is_silent());
    app.stop().await.unwrap();
}
