use std::path::Path;
use std::time::Duration;

use super::names::known_paths;
use super::*;
use crate::connection::Address;
use crate::listener::endpoint::{AcknowledgeMode, Concurrency, ListenerAttributes};

mod boot;
mod refused;

/// Settings of this file and these variables, and what is wrong with them.
fn read_with(
    toml: &str,
    variables: &[(&str, &str)],
    builder: BuilderSettings,
) -> (Settings, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("springhare.toml");
    std::fs::write(&path, toml).unwrap();
    let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let environment = Environment::of(variables);
    let mut faults = Vec::new();
    let settings = Settings::read(&ConfigFile::Named(path), &environment, builder, &mut faults);
    let beside = format!("{}/", folder.path().display());
    (settings, faults.iter().map(|fault| fault.to_string().replace(&beside, "")).collect())
}

fn read(toml: &str, variables: &[(&str, &str)]) -> Settings {
    let (settings, faults) = read_with(toml, variables, BuilderSettings::default());
    assert_eq!(faults, [""; 0]);
    settings
}

fn faults(toml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    read_with(toml, variables, BuilderSettings::default()).1
}

fn of_listener(
    settings: &Settings,
    id: &str,
    attributes: ListenerAttributes<'_>,
) -> ListenerSettings {
    let mut wrong = Vec::new();
    let found = settings.of_listener(id, ListenerSettings::of(&attributes), &mut wrong);
    assert_eq!(wrong, []);
    found
}

#[test]
fn each_source_is_stronger_than_the_one_before_it() {
    // Each line but the first is added to all before it, and its number is the prefetch then.
    let attribute = ListenerAttributes { prefetch: Some(8), ..ListenerAttributes::DEFAULT };
    for strongest in 0..=11 {
        let mut toml = String::new();
        let mut variables = Vec::new();
        let mut builder = BuilderSettings::default();
        let mut attributes = ListenerAttributes::DEFAULT;
        if strongest >= 1 {
            toml += "[rabbitmq.listener.simple]\nprefetch = 1\n";
        }
        if strongest >= 2 {
            variables.push(("SPRING_RABBITMQ_LISTENER_SIMPLE_PREFETCH", "2"));
        }
        if strongest >= 3 {
            variables.push(("SPRINGHARE_RABBITMQ_LISTENER_SIMPLE_PREFETCH", "3"));
        }
        if strongest >= 4 {
            builder.defaults = ListenerSettings::default().prefetch(4);
        }
        if strongest >= 5 {
            toml += "[profiles.bulk]\nprefetch = 5\n";
            attributes.profile = Some("bulk");
        }
        if strongest >= 6 {
            variables.push(("SPRINGHARE_PROFILES_BULK_PREFETCH", "6"));
        }
        if strongest >= 7 {
            let bulk = ListenerSettings::default().prefetch(7);
            builder.profiles.insert("bulk".to_owned(), bulk);
        }
        if strongest >= 8 {
            attributes = ListenerAttributes { profile: attributes.profile, ..attribute };
        }
        if strongest >= 9 {
            toml += "[listener.\"shop::orders\"]\nprefetch = 9\n";
        }
        if strongest >= 10 {
            variables.push(("SPRINGHARE_LISTENER_SHOP_ORDERS_PREFETCH", "10"));
        }
        if strongest >= 11 {
            let place = Place { file: "src/main.rs", line: 1 };
            let settings = ListenerSettings::default().prefetch(11);
            builder.listeners.insert("shop::orders".to_owned(), (settings, place));
        }
        let (settings, faults) = read_with(&toml, &variables, builder);
        assert_eq!(faults, [""; 0]);
        let found = of_listener(&settings, "shop::orders", attributes).prefetch;
        assert_eq!(found, (strongest > 0).then_some(strongest), "{toml}{variables:?}");
        assert_eq!(settings.unknown_listeners(&["shop::orders"], false), []);
        let other = of_listener(&settings, "shop::others", attributes).prefetch;
        assert_eq!(other, (strongest > 0).then_some(strongest.min(8)));
    }
}

/// The one key that sets nothing: it says which table counts.
const KIND: [&str; 3] = ["rabbitmq", "listener", "type"];

/// A value that the key can have.
fn some_value(key: &str) -> &'static str {
    match key.rsplit('.').next().unwrap() {
        "address-shuffle-mode" => "random",
        "acknowledge-mode" => "manual",
        "publisher-confirm-type" => "correlated",
        "startup" => "fail",
        "concurrency" => "2-8",
        "type" => "direct",
        "max-inbound-message-body-size" => "5MB",
        "enabled"
        | "validate-server-certificate"
        | "publisher-returns"
        | "mandatory"
        | "missing-queues-fatal"
        | "de-batching-enabled"
        | "auto-startup"
        | "default-requeue-rejected" => "true",
        "profile" => "spring",
        _ => "5",
    }
}

#[test]
fn every_key_is_taken_from_a_file_and_from_both_kinds_of_variables() {
    let is_set = |path: &&Vec<&str>| path[0] == "rabbitmq" && **path != KIND;
    for path in known_paths().iter().filter(is_set) {
        let value = some_value(path.last().unwrap());
        let toml = format!("{} = \"{value}\"\n", path.join("."));
        let name = path.join("_").replace('-', "").to_ascii_uppercase();
        let spoken = path.join("_").replace('-', "_").to_ascii_uppercase();
        for (toml, variable) in [
            (toml.as_str(), None),
            ("", Some(format!("SPRINGHARE_{name}"))),
            ("", Some(format!("SPRINGHARE_{spoken}"))),
            ("", Some(format!("SPRING_{name}"))),
        ] {
            let variables: Vec<_> = variable.iter().map(|name| (name.as_str(), value)).collect();
            let settings = read(toml, &variables);
            let shown = format!(
                "{:?}",
                (&settings.main.rabbitmq, &settings.main.template, &settings.defaults)
            );
            assert_eq!(shown.matches("Some(").count(), 1, "{path:?} {variables:?}: {shown}");
        }
    }
}

#[test]
fn a_host_replaces_what_a_weaker_source_says_of_the_place_and_nothing_else() {
    let toml = "[rabbitmq]\nurl = \"amqp://rabbit-1/shop\"\nusername = \"shop\"\n\
                password = \"s3cret\"\nrequested-heartbeat = 10\n";
    let address = |variables: &[(&str, &str)]| match read(toml, variables).main.rabbitmq.address() {
        Ok(Some(Address::Amqp(addresses))) => {
            let first = addresses.first();
            format!("{}@{addresses} {}s", first.user(), first.heartbeat())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(address(&[]), "shop@amqp://rabbit-1:5672/shop 10s");
    let host = ("SPRINGHARE_RABBITMQ_HOST", "rabbit-2");
    assert_eq!(address(&[host]), "shop@amqp://rabbit-2:5672/%2F 10s");
    let ssl = [
        ("SPRINGHARE_RABBITMQ_ADDRESSES", "a,b:7000, amqp://joe@c"),
        ("SPRINGHARE_RABBITMQ_SSL_ENABLED", "true"),
    ];
    let shown = address(&ssl);
    assert_eq!(shown, "shop@amqps://a:5671/%2F,amqps://b:7000/%2F,amqp://c:5672/%2F 10s");
    assert_eq!(address(&[("SPRINGHARE_URL", "amqp://joe@d")]), "joe@amqp://d:5672/%2F 10s");
    let embedded = read(toml, &[("SPRINGHARE_URL", "embedded:")]).main.rabbitmq.address();
    assert!(matches!(embedded, Ok(Some(Address::Embedded(_)))), "{embedded:?}");
    assert!(matches!(read("", &[]).main.rabbitmq.address(), Ok(None)));
}

#[test]
fn tls_is_what_the_settings_say_unless_the_address_does() {
    let toml = "[rabbitmq]\nhost = \"10.0.0.1\"\n[rabbitmq.ssl]\nenabled = true\n\
                server-name = \"rabbit\"\nca-certificate = \"ca.pem\"\ncertificate = \"/me.pem\"\n";
    let Ok(Some(Address::Amqp(addresses))) = read(toml, &[]).main.rabbitmq.address() else {
        panic!()
    };
    let tls = addresses.first().tls().unwrap();
    assert_eq!(tls.server_name(), "rabbit");
    assert!(tls.ca_file().unwrap().is_absolute(), "beside the file: {tls:?}");
    assert!(tls.client_certificate().unwrap().key_file().ends_with("me.pem"));
    let url = [("SPRINGHARE_URL", "amqps://rabbit-2?verify=verify_none&cacertfile=b.pem")];
    let Ok(Some(Address::Amqp(addresses))) = read(toml, &url).main.rabbitmq.address() else {
        panic!()
    };
    let tls = addresses.first().tls().unwrap();
    assert_eq!(tls.verify(), crate::connection::Verify::None);
    assert_eq!(tls.ca_file().unwrap(), Path::new("b.pem"));
}

#[test]
fn an_address_that_cannot_be_used_is_told_by_its_key_and_without_its_password() {
    for (toml, words) in [
        ("url = \"amqp://shop:s3cret@host:99999\"", "its port is not a number"),
        ("host = \"a\"\nurl = \"amqp://b\"", "keep one of them"),
        ("host = \"a b\"", "character"),
        ("host = \"a\"\nssl.private-key = \"k.pem\"", "`ssl.certificate`"),
        ("host = \"a\"\nssl.server-name = \"not a name\"", "'not a name'"),
    ] {
        let wrong =
            read(&format!("[rabbitmq]\n{toml}\n"), &[]).main.rabbitmq.address().unwrap_err();
        let text = wrong.problem.to_string();
        assert!(text.contains(words) && !text.contains("s3cret"), "{toml}: {text}");
        let place = wrong.source.to_string();
        assert!(place.contains("springhare.toml:2:1") || place.contains(":3:1"), "{place}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let toml = "[rabbitmq.listner.simple]\nprefetch = 1\nauto-startup = false\n\
                [rabbitmq.listener.simple]\nprefetch = \"many\"\nprefech = 5\n\
                [spring.rabbitmq]\nhost = \"a\"\n[profiles.spring]\nprefetch = 1\n\
                [properties]\nwhen = 2020-01-01\n[rabbitmq]\nhost = \"${nowhere}\"\n";
    let variables = [
        ("SPRINGHARE_RABBITMQ_HOTS", "a"),
        ("SPRINGHARE_STARTUP", "later"),
        ("SPRING_RABBITMQ_STREAM_HOST", "another program's"),
    ];
    let found = faults(toml, &variables);
    for expected in [
        "springhare.toml:1:11: there is no `listner` here; did you mean `listener`?",
        "springhare.toml:5:1: `prefetch` is a whole number from 0 to 65535",
        "springhare.toml:6:1: there is no `prefech` here; did you mean `prefetch`?",
        "springhare.toml:7:2: there is no `spring` here: what Spring Boot has below",
        "springhare.toml:10:1: the profile `spring` is there already",
        "springhare.toml:12:1: a property is a text",
        "springhare.toml:14:1: `${nowhere}` has no value",
        "SPRINGHARE_RABBITMQ_HOTS: no setting has this name; did you mean `SPRINGHARE_RABBITMQ_HOST`?",
        "SPRINGHARE_STARTUP: `startup` is one of wait(30s), background and fail",
    ] {
        let told = found.iter().filter(|fault| fault.starts_with(expected)).count();
        assert_eq!(told, 1, "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn settings_of_listeners_that_there_are_not_are_told() {
    let toml = "[listener.\"shop::order\"]\nprefetch = 1\n[listener.empty]\n";
    let variables = [("SPRINGHARE_LISTENER_SHOP_ORDERS_PREFECH", "1")];
    let mut builder = BuilderSettings::default();
    let place = Place { file: "src/main.rs", line: 7 };
    builder.listeners.insert("refunds".to_owned(), (ListenerSettings::default(), place));
    let (settings, faults) = read_with(toml, &variables, builder);
    assert_eq!(faults, [""; 0]);
    let unknown = settings.unknown_listeners(&["shop::orders"], false);
    let texts: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains(":3:11: there is no listener `empty`"), "{texts:#?}");
    assert!(texts[1].contains(":1:11: there is no listener `shop::order`; did you mean"));
    assert!(texts[2].starts_with("SPRINGHARE_LISTENER_SHOP_ORDERS_PREFECH: no listener's id"));
    assert!(texts[3].starts_with("src/main.rs:7: `.listener(\"refunds\", ..)`"), "{texts:#?}");
    // Beside a part of the listeners, the code's own are wrong and no others.
    let unknown = settings.unknown_listeners(&["shop::orders"], true);
    assert_eq!(unknown.iter().map(ToString::to_string).collect::<Vec<_>>(), texts[3..]);
}

#[test]
fn a_profile_that_there_is_not_is_told_and_spring_is_always_there() {
    let settings = read("[profiles.bulk]\nprefetch = 1\n", &[]);
    let attribute = |profile| ListenerAttributes { profile: Some(profile), ..Default::default() };
    of_listener(&settings, "a", attribute("spring"));
    let mut wrong = Vec::new();
    settings.of_listener("a", ListenerSettings::of(&attribute("bulks")), &mut wrong);
    assert!(wrong[0].1.contains("`bulks`; did you mean `bulk`?"), "{wrong:?}");
}

#[test]
fn an_operator_chooses_another_profile_for_one_listener() {
    let toml = "[profiles.bulk]\nprefetch = 1\n[profiles.slow]\nconcurrency = \"2-8\"\n\
                [listener.a]\nprofile = \"slow\"\nmax-concurrency = 4\n";
    let settings = read(toml, &[]);
    let attributes = ListenerAttributes { profile: Some("bulk"), ..Default::default() };
    let found = of_listener(&settings, "a", attributes);
    assert_eq!((found.prefetch, found.consumers()), (None, Concurrency { min: 2, max: 4 }));
    assert_eq!(of_listener(&settings, "b", attributes).prefetch, Some(1));
}

#[test]
fn texts_of_a_file_have_placeholders_of_its_properties_and_the_environment() {
    let toml = "[properties]\nrabbit.host = \"rabbit-1\"\nshop = \"shop\"\n[rabbitmq]\n\
                addresses = [\"${rabbit.host}\", \"${OTHER:rabbit-9}\"]\n\
                template.exchange = \"${shop}.events\"\n";
    let settings = read(toml, &[("OTHER", "rabbit-2"), ("SHOP", "market")]);
    let shown = match settings.main.rabbitmq.address() {
        Ok(Some(address)) => address.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shown, "amqp://rabbit-1:5672/%2F,amqp://rabbit-2:5672/%2F");
    assert_eq!(settings.main.template.exchange.as_deref(), Some("market.events"));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let mut faults = Vec::new();
    let environment =
        Environment::of([("SPRINGHARE_CONFIG".to_owned(), "/no/such.toml".to_owned())]);
    Settings::read(&ConfigFile::Found, &environment, BuilderSettings::default(), &mut faults);
    assert!(
        faults[0].text().starts_with("/no/such.toml: the settings can't be read"),
        "{faults:?}"
    );
}

#[test]
fn no_text_of_the_settings_shows_a_password() {
    let toml = "[rabbitmq]\nurl = \"amqp://shop:s3cret@host\"\npassword = \"s3cret\"\n";
    let settings = read(toml, &[("SPRINGHARE_RABBITMQ_ADDRESSES", "amqp://shop:s3cret@host")]);
    assert!(!format!("{settings:?}").contains("s3cret"));
    assert!(
        !format!("{:?}", Environment::of([("A".to_owned(), "s3cret".to_owned())])).contains("s3")
    );
}

#[test]
fn a_fault_of_a_placeholder_shows_no_part_of_a_password() {
    for toml in [
        "password = \"s3cr${et\"",
        "password = \"s3${cret}\"",
        "url = \"amqp://shop:s3cr${et@host\"",
        "url = \"amqp://shop:p${s3cret}@host\"",
        "addresses = [\"amqp://shop:${s3cret}@host\"]",
    ] {
        let found = faults(&format!("[rabbitmq]\n{toml}\n"), &[]);
        assert_eq!(found.len(), 1, "{toml}: {found:?}");
        let text = &found[0];
        assert!(text.starts_with("springhare.toml:2:1: ") && text.contains("`$${`"), "{text}");
        assert!(!text.contains("cr") && !text.contains("et@"), "{text}");
    }
    let found = faults("[rabbitmq]\npassword = \"${RABBIT_PASSWORD}\"\n", &[]);
    assert!(found[0].contains("`${RABBIT_PASSWORD}` has no value"), "{found:?}");
    let settings = read("[rabbitmq]\npassword = \"s3cr$${et\"\n", &[]);
    assert_eq!(
        settings.main.rabbitmq.password.unwrap().value,
        crate::connection::Password::new("s3cr${et")
    );
}

/// docs/configuration.md, which is to say all there is.
const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

#[test]
fn the_document_has_every_key() {
    for path in known_paths() {
        let key: Vec<&str> = match path.as_slice() {
            ["rabbitmq", "listener", "simple" | "direct", key @ ..]
            | ["rabbitmq", "template", key @ ..] => key.to_vec(),
            ["rabbitmq", key @ ..] => key.to_vec(),
            _ => continue,
        };
        let key = key.join(".");
        let has = |prefix: &str| DOCUMENT.contains(&format!("| `{prefix}{key}` |"));
        assert!(has("") || has("template."), "{key} is not in docs/configuration.md");
    }
}

#[test]
fn the_document_has_the_words_in_code_of_every_key_of_a_listener() {
    let (_, table) = DOCUMENT.split_once("### In code").unwrap();
    let table = table.split("\n### ").next().unwrap();
    for key in ListenerSettings::KEYS {
        assert!(table.contains(&format!("`{key}`")), "{key} is not in the table");
    }
}

#[test]
fn the_files_of_the_document_are_read() {
    let files = DOCUMENT.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut count = 0;
    for file in files {
        assert_eq!(faults(file, &[("RABBIT_PASSWORD", "x")]), [""; 0], "{file}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn what_a_listener_is_set_to_is_read_with_its_type() {
    let toml = "[listener.a]\nacknowledge-mode = \"manual\"\nauto-startup = false\nconcurrency = 3\n\
                default-requeue-rejected = false\npriority = -2\n\
                [rabbitmq.template]\nreply-timeout = \"250ms\"\nretry.timeout = \"1m\"\n";
    let settings = read(toml, &[]);
    let found = of_listener(&settings, "a", ListenerAttributes::DEFAULT);
    assert_eq!(found.acknowledge_mode, Some(AcknowledgeMode::Manual));
    assert_eq!((found.auto_startup, found.priority), (Some(false), Some(-2)));
    assert_eq!(found.default_requeue_rejected, Some(false));
    assert_eq!(found.consumers(), Concurrency { min: 3, max: 3 });
    assert_eq!(
        settings.main.template.reply_timeout,
        Some(LongerThanZero(Duration::from_millis(250)))
    );
    assert_eq!(settings.main.template.retry_timeout, Some(Duration::from_secs(60)));
}

#[test]
fn a_weaker_most_of_consumers_goes_with_the_number_that_a_stronger_source_replaces() {
    let defaults = "[rabbitmq.listener.simple]\nmax-concurrency = 8\n";
    let attribute = |min, max| ListenerAttributes {
        concurrency: Some(Concurrency { min, max }),
        ..Default::default()
    };
    let alone = |text: &str| format!("{defaults}[listener.a]\n{text}\n");
    for (toml, attributes, (min, max)) in [
        (defaults.to_owned(), ListenerAttributes::DEFAULT, (1, 8)),
        (defaults.to_owned(), attribute(1, 1), (1, 1)),
        (defaults.to_owned(), attribute(2, 4), (2, 4)),
        (alone("concurrency = 1"), ListenerAttributes::DEFAULT, (1, 1)),
        (alone("max-concurrency = 6"), attribute(2, 4), (2, 6)),
        (alone("concurrency = 2\nmax-concurrency = 6"), attribute(1, 1), (2, 6)),
    ] {
        let found = of_listener(&read(&toml, &[]), "a", attributes);
        assert_eq!(found.consumers(), Concurrency { min, max }, "{toml} {attributes:?}");
        assert_eq!(found.wrong_consumers(), None);
    }
    let found = of_listener(&read(&alone("max-concurrency = 2"), &[]), "a", attribute(4, 4));
    let text = found.wrong_consumers().unwrap();
    assert!(text.contains("`max-concurrency` is 2, and `concurrency` 4"), "{text}");
}

#[test]
fn what_is_done_about_failures_is_read_from_every_source() {
    let toml = "[rabbitmq.listener.simple.retry]\nenabled = true\nmax-retries = 4\nmultiplier = 1.5\n\
                [profiles.slow]\ntimeout = \"30s\"\nretry.initial-interval = 2000\n\
                [listener.a]\nprofile = \"slow\"\ncircuit.failures = 10\n";
    let variables = [
        ("SPRINGHARE_PROFILES_SLOW_RETRY_MAX_INTERVAL", "9s"),
        ("SPRING_RABBITMQ_LISTENER_SIMPLE_RETRY_MAX_ATTEMPTS", "7"),
        ("SPRINGHARE_LISTENER_A_CIRCUIT_PAUSE", "30s"),
    ];
    let found = of_listener(&read(toml, &variables), "a", ListenerAttributes::DEFAULT);
    assert_eq!((found.retry_enabled, found.retry_multiplier), (Some(true), Some(1.5)));
    // A stronger number of calls replaces a weaker one, whichever name it has.
    assert_eq!((found.retry_max_attempts, found.retry_max_retries), (Some(7), None));
    assert_eq!(found.timeout, Some(Duration::from_secs(30)));
    assert_eq!(found.retry_initial_interval, Some(Duration::from_secs(2)));
    assert_eq!(found.retry_max_interval, Some(Duration::from_secs(9)));
    assert_eq!(found.circuit_failures, Some(10));
    assert_eq!(found.circuit_pause, Some(Duration::from_secs(30)));
    let stateless = faults("[rabbitmq.listener.simple.retry]\nstateless = false\n", &[]);
    assert!(
        stateless[0].contains(":2:1: there is no `stateless` here: a message"),
        "{stateless:?}"
    );
    assert!(stateless[0].contains("`retry(delays = [..])`"), "{stateless:?}");
}

#[test]
fn variables_about_profiles_that_there_are_not_are_told() {
    let toml = "[profiles.bulk]\nprefetch = 1\n";
    let variables = [
        ("SPRINGHARE_PROFILES_BULKS_PREFETCH", "2"),
        ("SPRINGHARE_PROFILES_BULK_PREFECH", "2"),
        ("SPRINGHARE_PROFILES_BULK_CONCURRENCY", "many"),
        ("SPRINGHARE_PROFILES_BULK_PROFILE", "slow"),
    ];
    let found = faults(toml, &variables);
    for expected in [
        "SPRINGHARE_PROFILES_BULKS_PREFETCH: no profile's name, followed by a key,",
        "SPRINGHARE_PROFILES_BULK_PREFECH: no profile's name, followed by a key,",
        "SPRINGHARE_PROFILES_BULK_CONCURRENCY: `concurrency` is a number from 1",
        "SPRINGHARE_PROFILES_BULK_PROFILE: a profile has no profile of its own",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn limits_of_a_connection_come_from_every_source() {
    let toml = "[rabbitmq]\nrequested-channel-max = 7\nmax-inbound-message-body-size = \"64MB\"\n";
    let variables = [("SPRING_RABBITMQ_CHANNEL_RPC_TIMEOUT", "2s")];
    let limits = read(toml, &variables).main.rabbitmq.limits();
    let expected = crate::connection::AmqpLimits {
        channels: 7,
        body_bytes: 64 << 20,
        answer_timeout: Duration::from_secs(2),
    };
    assert_eq!(limits, expected);
    assert_eq!(read("", &[]).main.rabbitmq.limits(), crate::connection::AmqpLimits::default());
}
