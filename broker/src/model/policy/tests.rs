use std::time::Duration;

use proptest::prelude::*;
use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::*;
use crate::model::access::PatternFault;
use crate::model::arguments::{DeliveryLimit, Overflow, QueueType};

fn ttl(name: &str, pattern: &str) -> Policy {
    Policy::new(name, pattern).set("message-ttl", 1000)
}

fn checked(policy: Policy) -> CheckedPolicy {
    CheckedPolicy::new(policy, PolicyKind::User).unwrap()
}

fn matches(pattern: &str, name: &str) -> bool {
    checked(ttl("p", pattern)).matches_queue(name, QueueType::Classic)
}

fn refused(policy: Policy, kind: PolicyKind) -> String {
    CheckedPolicy::new(policy, kind).unwrap_err().to_string()
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    let entry = |(name, value): &(&str, FieldValue)| (ShortString::truncated(name), value.clone());
    entries.iter().map(entry).collect()
}

/// What RabbitMQ 3.10.8 says to `rabbitmqctl set_policy`.
#[test]
fn what_is_wrong_is_said_in_rabbitmqs_words() {
    let said = |policy: Policy| {
        let text = refused(policy, PolicyKind::User);
        text.strip_prefix("Validation failed\n\n").unwrap().to_owned()
    };
    let of = |key: &str, value: FieldValue| said(Policy::new("p", "^q").set(key, value));
    assert_eq!(of("foo", 1.into()), "[{<<\"foo\">>,1}] are not recognised policy settings");
    assert_eq!(of("message-ttl", (-1).into()), "-1 is not a valid message TTL");
    assert_eq!(of("message-ttl", "x".into()), "<<\"x\">> is not a valid message TTL");
    assert_eq!(of("message-ttl", 1.5.into()), "1.5 is not a valid message TTL");
    assert_eq!(of("expires", FieldValue::Void), "null is not a valid queue expiry");
    assert_eq!(of("max-age", "5x".into()), "<<\"5x\">> is not a valid max age");
    let list = vec![1.into(), "a".into(), table(&[("b", FieldValue::Void)]).into()];
    assert_eq!(
        of("overflow", FieldValue::Array(list)),
        "[1,<<\"a\">>,#{<<\"b\">> => null}] is not a valid overflow value"
    );
    assert_eq!(said(Policy::new("p", "q")), "no policy provided");
    let unknown = Policy::new("p", "q").set("foo", 1.0e20).set("bar", Vec::<FieldValue>::new());
    assert_eq!(
        said(unknown.set("baz", FieldTable::new())),
        "[{<<\"bar\">>,[]},{<<\"baz\">>,#{}},{<<\"foo\">>,1.0e20}] are not recognised policy settings"
    );
    assert_eq!(
        said(Policy::new("p", "q").set("ha-params", 2)),
        "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown"
    );
    let operator = Policy::new("p", "a").set("dead-letter-exchange", "x");
    assert_eq!(
        refused(operator, PolicyKind::Operator),
        "Validation failed\n\n[{<<\"dead-letter-exchange\">>,<<\"x\">>}] are not recognised policy \
         settings"
    );
}

#[test]
fn all_that_is_wrong_is_said() {
    let wrong = Policy::new("p", "é(").set("message-ttl", -1).set("expires", 0).set("x", 1);
    let error = CheckedPolicy::new(wrong, PolicyKind::User).unwrap_err();
    let [PolicyFault::Value { key, .. }, PolicyFault::Value { .. }, unknown, pattern] =
        error.faults()
    else {
        panic!("{error}")
    };
    assert_eq!(key, "expires");
    assert!(matches!(unknown, PolicyFault::UnknownKeys { keys, .. } if keys == &["x"]));
    assert!(matches!(pattern, PolicyFault::Pattern { character: 2, .. }), "{pattern}");
    assert_eq!(error.to_string().lines().count(), 6);
}

#[test]
fn every_key_takes_what_it_is_for() {
    for (key, value) in [
        ("alternate-exchange", FieldValue::from("ae")),
        ("dead-letter-exchange", "".into()),
        ("dead-letter-strategy", "at-least-once".into()),
        ("message-ttl", 0.into()),
        ("delivery-limit", (-1).into()),
        ("max-age", "7D".into()),
        ("queue-mode", "lazy".into()),
        ("queue-version", 2.into()),
        ("ha-mode", "all".into()),
        ("stream-max-segment-size-bytes", 3_000_000_000_i64.into()),
        ("queue-master-locator", "min-masters".into()),
        ("delayed-retry-type", "failed".into()),
    ] {
        checked(Policy::new("p", "").set(key, value));
    }
    let long = "x".repeat(256);
    assert!(
        CheckedPolicy::new(ttl("p", "").set("alternate-exchange", &*long), PolicyKind::User)
            .is_err()
    );
}

#[test]
fn a_pattern_is_found_in_the_name() {
    assert!(matches("", "q") && matches("q", "aqb") && matches(".*", "q"));
    assert!(!matches("^q$", "qq"));
}

/// What Erlang's `re:run` says to the same.
#[test]
fn names_are_excluded_at_the_beginning() {
    assert!(matches("^(?!amq\\.).*", "q") && !matches("^(?!amq\\.).*", "amq.gen-1"));
    assert!(matches("^(?!amq\\.|x)", "q") && !matches("^(?!amq\\.|x)", "xq"));
    assert!(matches("^(?=a)(?!ab)a.$", "ac") && !matches("^(?=a)(?!ab)a.$", "ab"));
    assert!(matches("^(?![)(]x)q", "q") && !matches("^(?![)(]x).", ")x"));
    assert!(matches("^(?!(?:a|b)\\))", "a") && !matches("^(?!(?:a|b)\\))", "b)"));
    assert!(matches("^(?!a)", "") && !matches("^(?=a)", ""));
}

#[test]
fn what_can_not_be_matched_so_is_refused_with_its_place() {
    for (pattern, character) in
        [("a(?!b)", 2), ("^(?!a)b|c", 2), ("^(?!a(?!b))", 6), ("^(?!a)b(?=c)", 8), ("^(?!a", 2)]
    {
        let error = CheckedPolicy::new(ttl("p", pattern), PolicyKind::User).unwrap_err();
        let [PolicyFault::Pattern { character: at, .. }] = error.faults() else {
            panic!("{error}")
        };
        assert_eq!(*at, character, "{pattern}: {error}");
    }
}

#[test]
fn look_aheads_are_few_and_small_together() {
    let refusal = |pattern: String| {
        let Err(error) = CheckedPolicy::new(ttl("p", &pattern), PolicyKind::User) else {
            return None;
        };
        let [PolicyFault::Pattern { character, fault }] = error.faults() else { panic!("{error}") };
        Some((*character, fault.clone()))
    };
    let repeated = |condition: &str, times| format!("^{}", condition.repeat(times));
    assert_eq!(refusal(repeated("(?!a)", 16)), None);
    let many = PatternFault::TooManyLookAheads { max: 16 };
    assert_eq!(refusal(repeated("(?!a)", 17)), Some((82, many)));
    // What one may take, sixteen may not.
    assert_eq!(refusal(repeated("(?!a{9000})", 1)), None);
    assert!(matches!(
        refusal(repeated("(?!a{9000})", 16)),
        Some((_, PatternFault::TooLarge { max })) if max < 1 << 20
    ));
    assert!(matches!(
        refusal(repeated("(?!a)", 100_000)),
        Some((1, PatternFault::TooLarge { .. }))
    ));
}

#[test]
fn it_applies_to_what_it_is_for() {
    let all = [QueueType::Classic, QueueType::Quorum, QueueType::Stream];
    let found = |what: ApplyTo| {
        let policy = checked(Policy::new("p", "").apply_to(what).set("max-length-bytes", 1));
        let queues = all.map(|queue_type| policy.matches_queue("q", queue_type));
        (queues, policy.matches_exchange("q"))
    };
    assert_eq!(found(ApplyTo::All), ([true, true, true], true));
    assert_eq!(found(ApplyTo::Queues), ([true, true, true], false));
    assert_eq!(found(ApplyTo::Exchanges), ([false, false, false], true));
    assert_eq!(found(ApplyTo::ClassicQueues), ([true, false, false], false));
    assert_eq!(found(ApplyTo::QuorumQueues), ([false, true, false], false));
    assert_eq!(found(ApplyTo::Streams), ([false, false, true], false));
    for what in ["all", "exchanges", "queues", "classic_queues", "quorum_queues", "streams"] {
        assert_eq!(what.parse::<ApplyTo>().unwrap().to_string(), what);
    }
    assert!("bogus".parse::<ApplyTo>().unwrap_err().to_string().contains("'bogus' unrecognised"));
}

#[test]
fn a_policy_with_what_a_queue_can_not_have_does_not_match_it() {
    let limit = checked(ttl("p", "").set("delivery-limit", 5));
    assert!(limit.matches_queue("q", QueueType::Quorum));
    assert!(!limit.matches_queue("q", QueueType::Classic));
    let lazy = checked(ttl("p", "").set("queue-mode", "lazy"));
    assert!(lazy.matches_queue("q", QueueType::Classic));
    assert!(!lazy.matches_queue("q", QueueType::Quorum));
}

#[test]
fn one_policy_counts() {
    let mut policies = Policies::default();
    let target = Target::Queue("q", QueueType::Classic);
    assert_eq!(policies.effective(target), EffectivePolicy::default());
    for (name, priority, length) in [("b", 5, 2), ("a", 5, 1), ("c", 4, 3), ("d", -1, 4)] {
        let policy = Policy::new(name, "q").priority(priority).set("max-length", length);
        policies.set(PolicyKind::User, checked(policy));
    }
    policies.set(PolicyKind::User, checked(ttl("other", "x").priority(9)));
    let length = |policies: &Policies| policies.effective(target).max_length.unwrap();
    assert_eq!(length(&policies), 1);
    assert_eq!(policies.effective(target).message_ttl, None);
    assert!(policies.clear(PolicyKind::User, "a"));
    assert!(!policies.clear(PolicyKind::User, "a") && !policies.clear(PolicyKind::Operator, "b"));
    assert_eq!(length(&policies), 2);
    policies.set(PolicyKind::User, checked(Policy::new("b", "x").set("max-length", 9)));
    assert_eq!(length(&policies), 3);
}

#[test]
fn the_operator_limits() {
    let effective = |own: &[(&str, FieldValue)], operators: &[(&str, FieldValue)]| {
        let mut policies = Policies::default();
        for (kind, entries) in [(PolicyKind::User, own), (PolicyKind::Operator, operators)] {
            if !entries.is_empty() {
                let policy = Policy { definition: table(entries), ..Policy::new("p", "") };
                policies.set(kind, CheckedPolicy::new(policy, kind).unwrap());
            }
        }
        policies.effective(Target::Queue("q", QueueType::Quorum))
    };
    let lower = effective(
        &[
            ("max-length", 5.into()),
            ("message-ttl", 10.into()),
            ("dead-letter-exchange", "x".into()),
        ],
        &[("max-length", 9.into()), ("message-ttl", 1.into()), ("expires", 7.into())],
    );
    assert_eq!((lower.max_length, lower.message_ttl), (Some(5), Some(Duration::from_millis(1))));
    assert_eq!(lower.expires, Some(Duration::from_millis(7)));
    assert_eq!(lower.dead_letter_exchange.unwrap(), "x");
    let overflow =
        effective(&[("overflow", "drop-head".into())], &[("overflow", "reject-publish".into())]);
    assert_eq!(overflow.overflow, Some(Overflow::RejectPublish));
    let limit = |own: i32, operators: i32| {
        effective(&[("delivery-limit", own.into())], &[("delivery-limit", operators.into())])
            .delivery_limit
            .unwrap()
    };
    let three = DeliveryLimit::AtMost(3);
    assert_eq!([limit(3, 5), limit(5, 3), limit(-1, 3), limit(3, -1)], [three; 4]);
    assert_eq!(effective(&[], &[("max-length", 1.into())]).max_length, Some(1));
}

proptest! {
    /// No text that is given as a pattern breaks anything, and what is excluded is the opposite of
    /// what is wanted.
    #[test]
    fn look_aheads_are_opposites(inner in "[ab(|)\\[\\]\\\\^.*]{0,8}", name in "[ab|()]{0,5}") {
        let [wanted, excluded] = ["=", "!"].map(|sign| {
            CheckedPolicy::new(ttl("p", &format!("^(?{sign}{inner})")), PolicyKind::User)
        });
        match (wanted, excluded) {
            (Ok(wanted), Ok(excluded)) => {
                let [wanted, excluded] = [wanted, excluded].map(|policy| policy.matches_exchange(&name));
                // Where the group ended earlier than meant, the rest counts for both.
                prop_assert!(!(wanted && excluded));
            }
            (wanted, excluded) => prop_assert_eq!(wanted.is_err(), excluded.is_err()),
        }
    }
}
