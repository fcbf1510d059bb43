//! What keys say of the broker's place, and values that would do nothing or something else.

use super::*;

#[test]
fn every_key_about_the_network_alone_means_a_broker_on_this_machine() {
    let elsewhere = ["url", "addresses", "host", "startup", "shutdown-timeout", "connection-name"];
    for key in RabbitmqSettings::KEYS {
        if elsewhere.contains(key) || key.starts_with("publisher-") {
            continue;
        }
        let settings = read(&format!("[rabbitmq]\n{key} = \"{}\"\n", some_value(key)), &[]);
        match settings.main.rabbitmq.address() {
            Ok(Some(Address::Amqp(addresses))) => {
                assert_eq!(addresses.first().host(), "localhost", "{key}");
            }
            Err(wrong) => assert_eq!(wrong.key, *key, "there is more to say with it"),
            other => panic!("{key}: {other:?}"),
        }
    }
    for key in [
        "startup",
        "shutdown-timeout",
        "connection-name",
        "publisher-returns",
        "publisher-confirm-type",
    ] {
        let settings = read(&format!("[rabbitmq]\n{key} = \"{}\"\n", some_value(key)), &[]);
        assert!(matches!(settings.main.rabbitmq.address(), Ok(None)), "{key}");
    }
}

#[test]
fn a_value_that_would_do_nothing_or_something_else_is_refused() {
    for (toml, words) in [
        ("requested-heartbeat = \"500ms\"", "`requested-heartbeat` is a time in whole seconds"),
        ("requested-heartbeat = \"1500ms\"", "in whole seconds"),
        ("requested-heartbeat = 65536", "at most 65535"),
        ("connection-timeout = 0", "`connection-timeout` is a time that is not 0"),
        ("template.reply-timeout = \"0s\"", "`reply-timeout` is a time that is not 0"),
        ("host = \"\"", "`host` is a text that is not empty"),
        ("username = \"\"", "`username` is a text that is not empty"),
    ] {
        let found = faults(&format!("[rabbitmq]\n{toml}\n"), &[]);
        assert!(found.len() == 1 && found[0].contains(words), "{toml}: {found:?}");
    }
    assert_eq!(faults("[rabbitmq]\nrequested-heartbeat = 0\n", &[]), [""; 0]);
    let empty = [("SPRINGHARE_RABBITMQ_HOST", ""), ("SPRINGHARE_RABBITMQ_USERNAME", "")];
    let found = faults("", &empty);
    assert!(found[0].starts_with("SPRINGHARE_RABBITMQ_HOST: `host` is a text"), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
    let found = faults("[brokers.billing]\nshutdownTimeout = \"1s\"\n", &[]);
    assert!(found[0].contains("`shutdown-timeout` stands in `[rabbitmq]`"), "{found:?}");
    let found = faults("[profiles.bulk]\nprofile = \"slow\"\n", &[]);
    assert!(found[0].contains("springhare.toml:2:1: a profile has no profile"), "{found:?}");
    let mut builder = BuilderSettings::default();
    builder.profiles.insert("bulk".to_owned(), ListenerSettings::default().profile("slow"));
    let found = read_with("", &[], builder).1;
    assert!(found[0].contains("`.profile(\"bulk\", ..)`: a profile has"), "{found:?}");
    let mut found = Vec::new();
    let environment = Environment::of([("SPRINGHARE_CONFIG".to_owned(), String::new())]);
    let builder = BuilderSettings::default();
    Settings::read(&ConfigFile::OfEnvironment, &environment, builder, &mut found);
    assert!(found[0].text().starts_with("SPRINGHARE_CONFIG: it is empty"), "{found:?}");
}

#[test]
fn an_empty_virtual_host_is_the_one_that_is_there_without() {
    let variables = [("SPRING_RABBITMQ_HOST", "a"), ("SPRING_RABBITMQ_VIRTUAL_HOST", "")];
    let address = read("", &variables).main.rabbitmq.address().unwrap().unwrap();
    assert_eq!(address.to_string(), "amqp://a:5672/%2F");
}

#[test]
fn a_port_that_no_address_takes_is_refused() {
    let port = "[rabbitmq]\nport = 5673\n";
    for (toml, is_taken) in [
        ("host = \"a\"", true),
        ("addresses = [\"a\"]", false),
        ("addresses = [\"a:1\", \"joe:5@b\"]", false),
        ("addresses = [\"a:1\", \"amqp://joe:5@[::1]:2/shop\"]", true),
        ("url = \"amqp://joe:5@a/shop\"", false),
        ("url = \"amqp://[::1]\"", false),
        ("url = \"embedded:\"", true),
    ] {
        let address = read(&format!("{port}{toml}\n"), &[]).main.rabbitmq.address();
        match address {
            Ok(_) => assert!(is_taken, "{toml}"),
            Err(wrong) => {
                let text = wrong.problem.to_string();
                assert!(!is_taken && wrong.key == "port", "{toml}: {text}");
                assert!(text.contains("write it there"), "{text}");
            }
        }
    }
    // A stronger place replaces a weaker one whole; another host may have the same port.
    let file = format!("{port}host = \"a\"\n");
    for (variable, shown) in [
        (("SPRINGHARE_URL", "amqp://b"), "amqp://b:5672/%2F"),
        (("SPRINGHARE_RABBITMQ_HOST", "b"), "amqp://b:5673/%2F"),
    ] {
        let address = read(&file, &[variable]).main.rabbitmq.address().unwrap().unwrap();
        assert_eq!(address.to_string(), shown);
    }
}

#[test]
fn a_variable_that_may_be_about_two_is_refused() {
    let variables = [
        ("SPRINGHARE_LISTENER_X_MAX_CONCURRENCY", "4"),
        ("SPRINGHARE_LISTENER_PREFETCH", "4"),
        ("SPRINGHARE_PROFILES_BULK_PREFETCH", "4"),
        ("SPRINGHARE_BROKERS_SHOP_VIRTUAL_HOST", "a"),
    ];
    let (settings, faults) = read_with(
        "[profiles.bulk]\n[profiles.\"b-ulk\"]\n[brokers.shop]\n[brokers.shop-virtual]\n",
        &variables,
        BuilderSettings::default(),
    );
    assert!(
        faults.concat().contains(
            "SPRINGHARE_PROFILES_BULK_PREFETCH: it may be `prefetch` of the profile `b-ulk` or \
             `prefetch` of the profile `bulk`; say it in the file"
        ),
        "{faults:?}"
    );
    let texts =
        |faults: Vec<StartFault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    let brokers = &settings.brokers;
    let ambiguous = texts(brokers.ambiguous_variables(&brokers.names()));
    assert!(
        ambiguous.len() == 1
            && ambiguous[0].contains(
                "`virtual-host` of the broker `shop` or `host` of the broker `shop-virtual`"
            ),
        "{ambiguous:#?}"
    );
    let ids = ["x", "x::max", "\u{e9}"];
    let unknown = texts(settings.unknown_listeners(&ids, false));
    assert_eq!(unknown.len(), 1, "{unknown:#?}");
    assert!(
        unknown[0].starts_with("SPRINGHARE_LISTENER_PREFETCH: no listener's id"),
        "{unknown:#?}"
    );
    let ambiguous = texts(settings.ambiguous_variables(&ids));
    assert_eq!(ambiguous.len(), 1, "{ambiguous:#?}");
    assert!(
        ambiguous[0].contains(
            "`max-concurrency` of the listener `x` or `concurrency` of the listener `x::max`"
        ),
        "{ambiguous:#?}"
    );
}

#[test]
fn a_variable_of_ours_with_a_slip_in_its_first_word_is_refused() {
    for (variable, meant) in [
        ("SPRINGHARE_ULR", "did you mean `SPRINGHARE_URL`?"),
        ("SPRINGHARE_RABITMQ_HOST", "did you mean `SPRINGHARE_RABBITMQ_HOST`?"),
        ("SPRINGHARE_LISTENERS_ORDERS_PREFETCH", "`SPRINGHARE_LISTENER_ORDERS_PREFETCH`?"),
        ("SPRINGHARE_PROFILE_BULK_PREFETCH", "`SPRINGHARE_PROFILES_BULK_PREFETCH`?"),
        ("SPRINGHARE_BROKER_BILLING_URL", "`SPRINGHARE_BROKERS_BILLING_URL`?"),
        ("SPRINGHARE_CONFG", "`SPRINGHARE_CONFIG`?"),
        ("SPRINGHARE_PROPERTIES_ORDERS_QUEUE", "its name alone, `ORDERS_QUEUE`"),
    ] {
        let found = faults("", &[(variable, "x")]);
        assert!(found.len() == 1 && found[0].contains(meant), "{variable}: {found:?}");
    }
    // What is nothing of ours is the program's own, or of a service `springhare`.
    let others = [
        ("SPRINGHARE_TEST_URL", "embedded:"),
        ("SPRINGHARE_SHOP_CURRENCY", "EUR"),
        ("SPRINGHARE_SERVICE_HOST", "10.0.0.7"),
        ("SPRINGHARE_PORT", "tcp://10.0.0.7:5672"),
        ("SPRINGHARE_BROKER_SERVICE_HOST", "10.0.0.7"),
        ("SPRINGHARE_BROKER_SERVICE_PORT_AMQP", "5672"),
        ("SPRINGHARE_BROKER_PORT", "tcp://10.0.0.7:5672"),
        ("SPRINGHARE_BROKER_PORT_5672_TCP_ADDR", "10.0.0.7"),
        ("SPRINGHARE_CONFIG_DIR", "/etc/shop"),
    ];
    read("", &others);
    // A broker may be called so.
    let host = [("SPRINGHARE_BROKERS_ORDER_SERVICE_HOST", "a")];
    assert_eq!(read("", &host).brokers.of_environment.len(), 1);
}

#[test]
fn what_a_service_of_kubernetes_is_called_keeps_nobody_from_starting() {
    for prefix in ["SPRING", "SPRINGHARE"] {
        let names = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_AMQP", "PORT_5672_TCP_ADDR"];
        let mut variables: Vec<(String, &str)> =
            names.iter().map(|name| (format!("{prefix}_RABBITMQ_{name}"), "10.0.0.7")).collect();
        variables.push((format!("{prefix}_RABBITMQ_PORT"), "tcp://10.0.0.7:5672"));
        let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, *value)).collect();
        assert!(matches!(read("", &variables).main.rabbitmq.address(), Ok(None)), "{prefix}");
    }
}

#[test]
fn variables_of_boot_mean_what_they_mean_there() {
    let variables = [
        ("SPRING_RABBITMQ_PUBLISHER_CONFIRM_TYPE", "none"),
        ("SPRING_RABBITMQ_HOST", "a"),
        ("SPRING_RABBITMQ_PORT", "1"),
        ("SPRING_RABBITMQ_ADDRESSES", "joe@b"),
        ("SPRING_RABBITMQ_PASSWORD", "s3cret"),
        ("SPRING_RABBITMQ_CONNECTION_TIMEOUT", "PT5S"),
    ];
    let address = read("", &variables).main.rabbitmq.address();
    let Ok(Some(Address::Amqp(addresses))) = address else { panic!("{address:?}") };
    let first = addresses.first();
    assert_eq!(addresses.to_string(), "amqp://b:5672/%2F");
    assert_eq!((first.user(), first.password().reveal()), ("joe", "s3cret"));
    assert_eq!(first.connection_timeout(), Duration::from_secs(5));
    // Ours are not another program's.
    let ours = faults("", &[("SPRINGHARE_RABBITMQ_PUBLISHER_CONFIRM_TYPE", "none")]);
    assert!(ours[0].contains("every message is confirmed here"), "{ours:?}");
    let lesson = faults("", &[("SPRINGHARE_RABBITMQ_TEMPLATE_DEFAULT_RECEIVE_QUEUE", "q")]);
    assert!(lesson[0].contains("each call names its queue"), "{lesson:?}");
}

#[test]
fn boots_two_kinds_of_listeners_are_one() {
    let of = |toml: &str, variables: &[(&str, &str)]| {
        let defaults = read(toml, variables).defaults;
        (defaults.prefetch, defaults.concurrency.map(|concurrency| concurrency.min))
    };
    let direct = "[rabbitmq.listener]\ntype = \"direct\"\n[rabbitmq.listener.direct]\nprefetch = 7\n\
                  consumersPerQueue = 3\n";
    assert_eq!(of(direct, &[]), (Some(7), Some(3)));
    let variables = [("SPRING_RABBITMQ_LISTENER_DIRECT_CONSUMERS_PER_QUEUE", "4")];
    assert_eq!(of(direct, &variables), (Some(7), Some(4)));
    let variables = [("SPRINGHARE_RABBITMQ_LISTENER_SIMPLE_PREFETCH", "8")];
    let untyped = direct.replace("type = \"direct\"\n", "");
    assert_eq!(of(&untyped, &variables), (Some(8), Some(3)), "the stronger source counts");
    assert_eq!(of(direct, &variables), (Some(7), Some(3)), "it is of the other kind");
    let both = "[rabbitmq.listener]\nsimple.prefetch = 1\ndirect.prefetch = 1\n";
    let found = faults(both, &[]);
    assert!(found.len() == 1 && found[0].contains("both say `prefetch`: keep one"), "{found:?}");
    // A variable of Boot's may be there for another program, and is logged.
    for variables in [
        &[("SPRING_RABBITMQ_LISTENER_TYPE", "stream")][..],
        &[
            ("SPRING_RABBITMQ_LISTENER_DIRECT_PREFETCH", "1"),
            ("SPRING_RABBITMQ_LISTENER_SIMPLE_PREFETCH", "1"),
        ],
    ] {
        assert_eq!(faults("", variables), [""; 0]);
    }
    let found = faults("", &[("SPRINGHARE_RABBITMQ_LISTENER_TYPE", "stream")]);
    assert!(found.len() == 1 && found[0].contains("`type` is"), "{found:?}");
    for (toml, words) in [
        ("listener.type = \"stream\"", "queue_type = \"stream\""),
        ("listener.direct.force-stop = true", "`rabbitmq.shutdown-timeout`"),
        ("listener.stream.prefetch = 1", "queue_type = \"stream\""),
        ("template.default-receive-queue = \"q\"", "`rabbit.receive("),
    ] {
        let found = faults(&format!("[rabbitmq]\n{toml}\n"), &[]);
        assert!(found.len() == 1 && found[0].contains(words), "{toml}: {found:?}");
    }
    let variables = [("SPRINGHARE_RABBITMQ_LISTENER_DIRECT_FORCESTOP", "true")];
    let found = faults("", &variables);
    assert!(found[0].contains("`rabbitmq.shutdown-timeout`"), "{found:?}");
}

#[test]
fn of_boots_two_tables_that_of_the_type_counts() {
    let both = "simple.prefetch = 1\ndirect.prefetch = 2\ndirect.consumersPerQueue = 3\n";
    let typed = |kind: &str| format!("[rabbitmq.listener]\ntype = \"{kind}\"\n{both}");
    let of = |toml: &str, variables: &[(&str, &str)]| {
        let defaults = read(toml, variables).defaults;
        (defaults.prefetch, defaults.concurrency.map(|concurrency| concurrency.min))
    };
    assert_eq!(of(&typed("simple"), &[]), (Some(1), None));
    assert_eq!(of(&typed("direct"), &[]), (Some(2), Some(3)));
    // Whichever source says it, the strongest counts, for what all of them say.
    for name in ["SPRING_RABBITMQ_LISTENER_TYPE", "SPRINGHARE_RABBITMQ_LISTENER_TYPE"] {
        assert_eq!(of(&typed("simple"), &[(name, "direct")]), (Some(2), Some(3)));
        let untyped = format!("[rabbitmq.listener]\n{both}");
        assert_eq!(of(&untyped, &[(name, "simple")]), (Some(1), None));
    }
    let variables = [
        ("SPRING_RABBITMQ_LISTENER_TYPE", "direct"),
        ("SPRING_RABBITMQ_LISTENER_DIRECT_PREFETCH", "4"),
        ("SPRINGHARE_RABBITMQ_LISTENER_TYPE", "simple"),
        ("SPRINGHARE_RABBITMQ_LISTENER_SIMPLE_PREFETCH", "5"),
        ("SPRINGHARE_RABBITMQ_LISTENER_DIRECT_PREFETCH", "6"),
    ];
    assert_eq!(of("", &variables), (Some(5), None));
    // What can't be, and what nobody knows, is told of either table.
    let wrong =
        "[rabbitmq.listener]\ntype = \"simple\"\ndirect.prefech = 1\ndirect.prefetch = -1\n";
    let found = faults(wrong, &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    for words in ["did you mean `prefetch`?", "`prefetch` is"] {
        assert!(found.iter().any(|fault| fault.contains(words)), "{words} in {found:?}");
    }
}
