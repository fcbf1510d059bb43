//! The function stays callable, with its documentation, attributes and patterns.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use springhare::__private::ListenerItem;
use springhare::prelude::*;

/// Words.
#[rabbit_listener(queue = "q", blocking)]
#[must_use]
#[inline]
fn double(
    #[payload] mut number: u32,
    #[expect(unused_variables, reason = "an attribute of the user's stays")]
    #[header("x-n", default = 1)]
    n: i64,
) -> Outcome {
    number *= 2;
    if number == 4 { Outcome::Ack } else { Outcome::Reject }
}

#[rabbit_listener(queue = "q")]
async fn r#match(Json(number): Json<u32>) -> ListenerResult {
    if number == 2 { Ok(()) } else { Err(ListenerError::msg("not two")) }
}

fn main() {
    assert!(matches!(double(2, 1), Outcome::Ack));
    let mut cx = Context::from_waker(Waker::noop());
    let polled = pin!(r#match(Json(2))).poll(&mut cx);
    assert!(matches!(polled, Poll::Ready(Ok(()))));
    assert_eq!(r#match::ENDPOINTS[0].function, "match");
}
