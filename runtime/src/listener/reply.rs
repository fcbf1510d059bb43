//! What a handler answers, and where that goes.

use std::fmt;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde::Serialize;
use springhare_amqp::{
    BasicProperties, FieldTable, FieldValue, Message, ShortString, ShortStringTooLong,
};

use super::context::DeliveryContext;
use super::failure::Decision;
use super::invoke::HandlerPanicked;
use super::outcome::{IntoOutcome, ListenerError, Outcome};
use super::plan::ListenerPlan;
use crate::convert::{ConversionError, IntoBody, MessageConverters};
use crate::error::Error;
use crate::template::{
    Address, Answered, ERROR_HEADER, ERRORS_HEADER, EXCEPTION_HEADER, IntoRoute, Route,
};

/// What may be a reply's body: a handler that returns one of these answers its request.
///
/// The answer is persistent if the request is, unless the message that it becomes says something of
/// that itself.
///
/// `Json<T>`, `Text`, `String`, `Bytes`, `Vec<u8>`, a whole `Message`, and `Payload<T>`, which the
/// application's converter encodes. Types of your own may implement it.
#[diagnostic::on_unimplemented(
    message = "a listener cannot return `{Self}`",
    label = "neither an outcome of a listener nor a reply",
    note = "return nothing, `ListenerResult`, or `Outcome`; or a reply: `Json<T>`, `Text`, `String`, \
            `Bytes`, `Message`, `Reply<..>`, or an `Option` or a `Result` of one"
)]
pub trait ReplyBody {
    /// The message that it becomes.
    ///
    /// # Errors
    ///
    /// [`ConversionError::Encode`] when the value can't be written. The request has failed then, for
    /// good: it would fail so again.
    fn into_message(self, converters: &MessageConverters) -> Result<Message, ConversionError>;
}

/// A reply with a destination, headers or a content type of its own.
///
/// Without a destination it goes where any returned value goes: to the queue in the request's
/// `reply_to`, else to the listener's `send_to`.
///
/// ```
/// use springhare::prelude::*;
///
/// #[rabbit_listener(queue = "orders")]
/// async fn price(Text(order): Text) -> Reply<Json<u32>> {
///     let cents = order.len() as u32 * 100;
///     Reply::new(Json(cents)).header("x-currency", "EUR")
/// }
/// # fn main() {}
/// ```
#[must_use = "a reply is sent when the handler returns it"]
pub struct Reply<B> {
    body: B,
    route: Option<Route>,
    headers: FieldTable,
    content_type: Option<ShortString>,
    persistent: Option<bool>,
    /// A name or a header that no message can have.
    fault: Option<ShortStringTooLong>,
}

impl<B: ReplyBody> Reply<B> {
    /// A reply with this body.
    pub fn new(body: B) -> Self {
        Self {
            body,
            route: None,
            headers: FieldTable::new(),
            content_type: None,
            persistent: None,
            fault: None,
        }
    }

    /// Sends it there, whatever the request says: a queue, `"prices"`, or an exchange and a key,
    /// `("prices", "tea")`.
    pub fn to(mut self, route: impl IntoRoute) -> Self {
        match route.into_route() {
            Ok(route) => self.route = Some(route),
            Err(fault) => self.fault = Some(fault),
        }
        self
    }

    /// A header: a number, a boolean, a text, bytes or a list.
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<FieldValue>) -> Self {
        if let Err(fault) = self.headers.insert(name, value) {
            self.fault = Some(fault);
        }
        self
    }

    /// What the body is, a MIME type, in place of what its type says.
    pub fn content_type(mut self, mime: impl AsRef<str>) -> Self {
        match ShortString::new(mime.as_ref()) {
            Ok(mime) => self.content_type = Some(mime),
            Err(fault) => self.fault = Some(fault),
        }
        self
    }

    /// Whether it outlives the broker in a durable queue; without it, it does if the request does, or a
    /// `Message` says so itself.
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = Some(persistent);
        self
    }

    fn prepare(self, converters: &MessageConverters) -> Result<PreparedReply, ListenerError> {
        let Self { body, route, headers, content_type, persistent, fault } = self;
        if let Some(fault) = fault {
            return Err(ListenerError::fatal(fault));
        }
        let mut message = body.into_message(converters).map_err(ListenerError::fatal)?;
        if !headers.is_empty() {
            let all = message.properties.headers.get_or_insert_with(FieldTable::new);
            for (name, value) in headers.iter() {
                all.set(name.clone(), value.clone());
            }
        }
        if content_type.is_some() {
            message.properties.content_type = content_type;
        }
        Ok(PreparedReply { message, route, persistent })
    }
}

impl<B: fmt::Debug> fmt::Debug for Reply<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("body", &self.body).field("route", &self.route).finish()
    }
}

/// A reply whose body is encoded: what a handler that returned one comes to.
#[derive(Debug)]
pub struct PreparedReply {
    message: Message,
    route: Option<Route>,
    persistent: Option<bool>,
}

impl PreparedReply {
    /// The message, without what the request adds to it.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The destination that the handler has chosen.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.route.as_ref()
    }
}

impl<B: ReplyBody> IntoOutcome for B {
    fn into_outcome(self, cx: &DeliveryContext) -> Outcome {
        Reply::new(self).into_outcome(cx)
    }
}

#[diagnostic::do_not_recommend]
impl<B: ReplyBody> IntoOutcome for Reply<B> {
    fn into_outcome(self, cx: &DeliveryContext) -> Outcome {
        match self.prepare(cx.converters()) {
            Ok(reply) => Outcome::Reply(Box::new(reply)),
            Err(error) => Outcome::Failed(error),
        }
    }
}

/// `None` answers nothing.
#[diagnostic::do_not_recommend]
impl<R: IntoOutcome> IntoOutcome for Option<R> {
    fn into_outcome(self, cx: &DeliveryContext) -> Outcome {
        self.map_or(Outcome::Ack, |reply| reply.into_outcome(cx))
    }
}

impl ReplyBody for String {
    fn into_message(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        encoded(self, converters)
    }
}

impl ReplyBody for Bytes {
    fn into_message(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        encoded(self, converters)
    }
}

impl ReplyBody for Vec<u8> {
    fn into_message(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        encoded(self, converters)
    }
}

impl ReplyBody for Message {
    fn into_message(self, converters: &MessageConverters) -> Result<Message, ConversionError> {
        let delivery_mode = self.properties.delivery_mode;
        let mut message = encoded(self, converters)?;
        message.properties.delivery_mode = delivery_mode;
        Ok(message)
    }
}

/// A body that says nothing of how long it lives.
pub(crate) fn encoded(
    body: impl IntoBody,
    converters: &MessageConverters,
) -> Result<Message, ConversionError> {
    let mut message = body.into_body(converters)?;
    message.properties.delivery_mode = None;
    Ok(message)
}

/// Whether this outcome has something to say to who sent the message.
pub(super) fn is_answer(context: &DeliveryContext, plan: &ListenerPlan, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Reply(_) => true,
        Outcome::Failed(error) => {
            let is_last = !comes_again(plan)
                || !matches!(
                    Decision::on(error, plan),
                    Decision::Requeue | Decision::RedeliverAfter(_)
                );
            is_last && asks_for_errors(context, plan)
        }
        Outcome::Reject => asks_for_errors(context, plan),
        Outcome::Requeue | Outcome::RetryAfter(_) => {
            !comes_again(plan) && asks_for_errors(context, plan)
        }
        Outcome::Ack => false,
    }
}

/// Whether the broker delivers a message once more that is asked for again.
fn comes_again(plan: &ListenerPlan) -> bool {
    plan.acknowledge.comes_again()
}

/// Sends what there is to say, and what becomes of the message then.
pub(super) async fn answer(
    context: &DeliveryContext,
    plan: &ListenerPlan,
    outcome: Outcome,
) -> Outcome {
    match outcome {
        Outcome::Reply(reply) => match send(context, plan, *reply).await {
            Ok(Answered::Yes | Answered::NobodyWaits) => Outcome::Ack,
            Err(error) if passes(&error) => Outcome::Failed(ListenerError::new(error)),
            Err(error) => {
                let error = ListenerError::fatal(error);
                if asks_for_errors(context, plan) {
                    tell(context, plan, kind_of(&error, plan), &error.report()).await;
                }
                Outcome::Failed(error)
            }
        },
        Outcome::Failed(error) => {
            let is_its_callers = Decision::once_told(&error, plan) == Decision::Acknowledge;
            match tell(context, plan, kind_of(&error, plan), &error.report()).await {
                Told::Yes if is_its_callers => Outcome::Failed(error.told()),
                Told::Yes | Told::No => Outcome::Failed(error),
            }
        }
        Outcome::Reject => {
            tell(context, plan, REJECTED, "the handler rejected it").await;
            Outcome::Reject
        }
        outcome @ (Outcome::Requeue | Outcome::RetryAfter(_)) if !comes_again(plan) => {
            let text = "the handler asked for it again, and it is acknowledged";
            tell(context, plan, REJECTED, text).await;
            outcome
        }
        outcome @ (Outcome::Ack | Outcome::Requeue | Outcome::RetryAfter(_)) => outcome,
    }
}

/// Whether a reply or an outbox that could not be sent may be sent later, so that it is worth while to
/// make it once more.
pub(super) fn passes(error: &Error) -> bool {
    error.is_passing() || matches!(error, Error::Stopped)
}

/// Whether a caller knows that its request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    No,
}

/// Tells the caller that its request failed.
async fn tell(
    context: &DeliveryContext,
    plan: &ListenerPlan,
    kind: &'static str,
    text: &str,
) -> Told {
    match send(context, plan, report(kind, text)).await {
        Ok(Answered::Yes) => Told::Yes,
        Ok(Answered::NobodyWaits) => Told::No,
        Err(error) => {
            tracing::warn!(
                listener = &*plan.id,
                %error,
                "a caller could not be told that its request failed"
            );
            Told::No
        }
    }
}

async fn send(
    context: &DeliveryContext,
    plan: &ListenerPlan,
    reply: PreparedReply,
) -> Result<Answered, Error> {
    let PreparedReply { message, route, persistent } = reply;
    let request = context.properties();
    let address = match route {
        Some(route) => Some(Address::given(route.into_parts())),
        None => {
            let send_to = || plan.reply.send_to.clone().map(Address::given);
            Address::of_request(request).or_else(send_to)
        }
    };
    let Some(address) = address else {
        tell_nowhere(plan);
        return Ok(Answered::NobodyWaits);
    };
    context.template().answer(request, message, persistent, address).await
}

fn tell_nowhere(plan: &ListenerPlan) {
    if !plan.reply.is_told.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            listener = &*plan.id,
            "a handler has returned a reply, and its request has no `reply_to`: the reply is dropped, \
             and so will others be; `send_to = \"..\"` gives them a destination"
        );
    }
}

/// Whether the caller is to be told of a failure: the listener says so, or else it asks for that.
fn asks_for_errors(context: &DeliveryContext, plan: &ListenerPlan) -> bool {
    let properties = context.properties();
    if properties.reply_to.as_ref().is_none_or(|queue| queue.is_empty()) {
        return false;
    }
    if let Some(told) = plan.reply.return_errors {
        return told;
    }
    let asked = properties.headers.as_ref().and_then(|headers| headers.get(&ERRORS_HEADER));
    asked.is_some_and(|asked| {
        asked.as_bool().or_else(|| asked.as_i64().map(|number| number != 0)).unwrap_or(false)
    })
}

#[derive(Serialize)]
struct Report<'e> {
    kind: &'static str,
    error: &'e str,
}

/// The kind of a failure that is the handler's own refusal.
const REJECTED: &str = "rejected";

/// What kind of failure a caller is told of.
fn kind_of(error: &ListenerError, plan: &ListenerPlan) -> &'static str {
    match Decision::once_told(error, plan) {
        _ if error.find::<HandlerPanicked>().is_some() => "panic",
        Decision::GiveUp | Decision::Park => "fatal",
        Decision::Reject => REJECTED,
        _ => "failed",
    }
}

/// The answer to a request that failed.
fn report(kind: &'static str, text: &str) -> PreparedReply {
    let body = serde_json::to_vec(&Report { kind, error: text }).unwrap_or_default();
    let mut headers = FieldTable::new();
    headers.set(ERROR_HEADER, kind);
    let start = ShortString::truncated(text);
    headers.set(EXCEPTION_HEADER, start.as_str());
    let properties = BasicProperties {
        content_type: Some(ShortString::from_static("application/json")),
        headers: Some(headers),
        ..BasicProperties::default()
    };
    let message = Message { properties: properties.into(), body: body.into() };
    PreparedReply { message, route: None, persistent: None }
}
