//! Headers exchanges.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, FieldTable, FieldValue};
use springhare_broker::ExchangeDeclareOptions;

use crate::support::{Router, Scene, table, text, with_properties};

contract!(
    all_is_the_default,
    any_of_them,
    without_arguments,
    names_that_start_with_x,
    no_value_is_any_value,
    numbers_compare_by_value,
    values_of_different_types,
    an_invalid_x_match,
);

type Row<'r> = (&'r [(&'r str, FieldValue)], &'r [(&'r str, FieldValue)], bool);

fn table_of(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().fold(FieldTable::new(), |mut table, (name, value)| {
        table.insert(name, value.clone()).unwrap();
        table
    })
}

/// Each row: the arguments of the binding, the headers of the message, and whether they match.
async fn assert_matches(link: &dyn Link, rows: &[Row<'_>]) {
    let scene = Scene::new(link).await;
    let router = Router::new(&scene).await;
    scene.queue(scene.name()).await;
    for (number, (arguments, headers, is_match)) in rows.iter().enumerate() {
        let exchange = scene.named(&number.to_string());
        scene.exchange(&exchange, "headers").await;
        let bound = scene.channel.queue_bind(scene.name(), &exchange, "", table_of(arguments));
        bound.await.unwrap();
        let properties = BasicProperties { headers: Some(table_of(headers)), ..Default::default() };
        let message = with_properties("", properties);
        let is_routed = router.routes_message(&exchange, "", message).await;
        assert_eq!(is_routed, *is_match, "{arguments:?} against {headers:?}");
    }
}

fn one() -> FieldValue {
    FieldValue::I32(1)
}

fn two() -> FieldValue {
    FieldValue::I32(2)
}

fn x_match(how: &str) -> (&'static str, FieldValue) {
    ("x-match", text(how))
}

async fn all_is_the_default(link: &dyn Link) {
    let rows: [Row<'_>; 6] = [
        (&[("a", one())], &[("a", one())], true),
        (&[("a", one())], &[("a", one()), ("b", one())], true),
        (&[("a", one())], &[("a", two())], false),
        (&[("A", one())], &[("a", one())], false),
        (&[("a", one()), ("b", two())], &[("a", one())], false),
        (&[x_match("all"), ("a", one()), ("b", two())], &[("b", two()), ("a", one())], true),
    ];
    assert_matches(link, &rows).await;
}

async fn any_of_them(link: &dyn Link) {
    let any = || x_match("any");
    let rows: [Row<'_>; 3] = [
        (&[any(), ("a", one()), ("b", two())], &[("a", one())], true),
        (&[any(), ("a", one()), ("b", two())], &[("a", two()), ("b", two())], true),
        (&[any(), ("a", one()), ("b", two())], &[("c", one())], false),
    ];
    assert_matches(link, &rows).await;
}

async fn without_arguments(link: &dyn Link) {
    let rows: [Row<'_>; 8] = [
        (&[], &[], true),
        (&[], &[("a", one())], true),
        (&[x_match("all")], &[], true),
        (&[x_match("all-with-x")], &[("a", one())], true),
        (&[x_match("any")], &[], false),
        (&[x_match("any")], &[("a", one())], false),
        (&[x_match("any-with-x")], &[("a", one())], false),
        (&[x_match("any-with-x")], &[x_match("any-with-x")], false),
    ];
    assert_matches(link, &rows).await;
}

async fn names_that_start_with_x(link: &dyn Link) {
    let rows: [Row<'_>; 8] = [
        (&[x_match("all"), ("x-a", one())], &[], true),
        (&[x_match("any"), ("x-a", one())], &[("x-a", one())], false),
        (&[x_match("all-with-x"), ("x-a", one())], &[], false),
        (&[x_match("all-with-x"), ("x-a", one())], &[("x-a", one())], true),
        (&[x_match("any-with-x"), ("x-a", one())], &[("x-a", one())], true),
        (&[x_match("any-with-x"), ("x-a", one())], &[("x-a", two())], false),
        (&[x_match("all-with-x"), ("a", one())], &[("a", one()), x_match("z")], true),
        (&[x_match("any-with-x"), ("a", one())], &[x_match("any-with-x")], false),
    ];
    assert_matches(link, &rows).await;
}

async fn no_value_is_any_value(link: &dyn Link) {
    let void = || FieldValue::Void;
    let rows: [Row<'_>; 5] = [
        (&[("a", void())], &[("a", one())], true),
        (&[("a", void())], &[("a", text("s"))], true),
        (&[("a", void())], &[("a", void())], true),
        (&[("a", void())], &[("b", one())], false),
        (&[("a", one())], &[("a", void())], false),
    ];
    assert_matches(link, &rows).await;
}

async fn numbers_compare_by_value(link: &dyn Link) {
    let five = || FieldValue::I32(5);
    let rows: [Row<'_>; 9] = [
        (&[("a", FieldValue::I8(5))], &[("a", FieldValue::I64(5))], true),
        (&[("a", FieldValue::U16(5))], &[("a", five())], true),
        (&[("a", five())], &[("a", FieldValue::F64(5.0))], true),
        (&[("a", five())], &[("a", FieldValue::F64(5.5))], false),
        (&[("a", FieldValue::F32(5.0))], &[("a", FieldValue::F64(5.0))], true),
        (&[("a", FieldValue::F32(0.1))], &[("a", FieldValue::F64(0.1))], false),
        (&[("a", FieldValue::Timestamp(5))], &[("a", five())], true),
        (&[("a", five())], &[("a", FieldValue::Timestamp(5))], true),
        (
            &[("a", FieldValue::Decimal { scale: 1, value: 50 })],
            &[("a", FieldValue::Decimal { scale: 0, value: 5 })],
            false,
        ),
    ];
    assert_matches(link, &rows).await;
}

async fn values_of_different_types(link: &dyn Link) {
    let nested = |value| FieldValue::Table(table([("b", value)]));
    let rows: [Row<'_>; 11] = [
        (&[("a", text("1"))], &[("a", one())], false),
        (&[("a", one())], &[("a", text("1"))], false),
        (&[("a", FieldValue::Boolean(true))], &[("a", one())], false),
        (&[("a", FieldValue::Boolean(true))], &[("a", FieldValue::Boolean(true))], true),
        (&[("a", FieldValue::Boolean(true))], &[("a", FieldValue::Boolean(false))], false),
        (&[("a", text("s"))], &[("a", FieldValue::ByteArray("s".into()))], true),
        (&[("a", text(""))], &[("a", text(""))], true),
        (&[("a", FieldValue::Array(vec![one()]))], &[("a", FieldValue::Array(vec![one()]))], true),
        (&[("a", FieldValue::Array(vec![one()]))], &[("a", FieldValue::Array(vec![two()]))], false),
        (&[("a", nested(one()))], &[("a", nested(one()))], true),
        (&[("a", nested(one()))], &[("a", nested(two()))], false),
    ];
    assert_matches(link, &rows).await;
}

async fn an_invalid_x_match(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (q, x) = (scene.name(), &scene.named("x"));
    scene.queue(q).await;
    let options = ExchangeDeclareOptions::default();
    scene.channel.exchange_declare(x, "headers", options).await.unwrap();
    let expected = "expected all, any, all-with-x, or any-with-x";
    for (value, fault) in [
        (text("bogus"), format!("Invalid x-match field value <<\"bogus\">>; {expected}")),
        (text("ALL"), format!("Invalid x-match field value <<\"ALL\">>; {expected}")),
        (text(""), format!("Invalid x-match field value <<>>; {expected}")),
        (
            FieldValue::I32(5),
            "Invalid x-match field type signedint (value 5); expected longstr".to_owned(),
        ),
    ] {
        let text = format!("PRECONDITION_FAILED - {fault}");
        let arguments = || table([("x-match", value.clone())]);
        scene.refused(406, &text, async |c| c.queue_bind(q, x, "", arguments()).await).await;
        scene
            .refused(406, &text, async |c| c.exchange_bind("amq.fanout", x, "", arguments()).await)
            .await;
        // Nobody else minds, and what is not bound can be unbound.
        scene.channel.queue_bind(q, "amq.direct", q, arguments()).await.unwrap();
        scene.channel.queue_unbind(q, x, "", arguments()).await.unwrap();
    }
}
