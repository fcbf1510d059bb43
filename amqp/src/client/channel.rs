use std::collections::VecDeque;

use super::content::{ContentReader, Head};
use super::error::{PeerFault, closed_by};
use super::event::Event;
use crate::wire::Method;
use crate::wire::method::{basic, channel};
use crate::{AmqpError, MethodId};

/// One channel, from its `channel.open` to the end of its close.
#[derive(Debug, Default)]
pub(super) struct Channel {
    /// The calls that are not answered yet, oldest first. Answers to calls of one kind come in
    /// their order; RabbitMQ's `consume-ok` and `cancel-ok` come from the queue, and may be overtaken
    /// by the answer to a later call.
    calls: VecDeque<MethodId>,
    pub(super) content: ContentReader,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was opened; what is sent on it is worked off after the open.
    #[default]
    Open,
    /// A `channel.close` was sent: nothing counts but its answer.
    Closing,
}

/// What a method of the broker comes to.
pub(super) enum Outcome {
    /// Nothing to tell.
    Nothing,
    Event(Event),
    /// The broker closed the channel, which is to be answered.
    ClosedByBroker(AmqpError),
    /// The close that was sent is answered.
    CloseOk,
    /// The broker wants to know that its `channel.flow` was heard.
    Flow(channel::FlowOk),
}

impl Channel {
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn called(&mut self, method: MethodId) {
        self.calls.push_back(method);
    }

    pub(super) fn closes(&mut self) {
        self.state = State::Closing;
    }

    /// Takes a method that is no content's.
    pub(super) fn method(&mut self, number: u16, method: Method) -> Result<Outcome, PeerFault> {
        match method {
            Method::Channel(channel::Method::Close(close)) => {
                let (code, text) = (close.reply_code, &close.reply_text);
                let error = closed_by(code, text, close.class_id, close.method_id)?;
                Ok(Outcome::ClosedByBroker(error))
            }
            Method::Channel(channel::Method::CloseOk(_)) if self.state == State::Closing => {
                Ok(Outcome::CloseOk)
            }
            _ if self.state == State::Closing => Ok(Outcome::Nothing),
            Method::Basic(basic::Method::Ack(ack)) => {
                Ok(Outcome::Event(Event::Acked { channel: number, ack }))
            }
            Method::Basic(basic::Method::Nack(nack)) => {
                Ok(Outcome::Event(Event::Nacked { channel: number, nack }))
            }
            Method::Basic(basic::Method::Cancel(cancel)) => {
                let consumer_tag = cancel.consumer_tag;
                Ok(Outcome::Event(Event::Cancelled { channel: number, consumer_tag }))
            }
            Method::Channel(channel::Method::Flow(flow)) => {
                Ok(Outcome::Flow(channel::FlowOk { active: flow.active }))
            }
            method => self.reply(number, method),
        }
    }

    fn reply(&mut self, number: u16, method: Method) -> Result<Outcome, PeerFault> {
        let call = self.answered(number, method.id())?;
        Ok(Outcome::Event(Event::Reply { channel: number, call, method }))
    }

    /// Takes the oldest call off that this is an answer to.
    fn answered(&mut self, number: u16, reply: MethodId) -> Result<MethodId, PeerFault> {
        let index = self.calls.iter().position(|call| answers(*call, reply));
        let call = index.and_then(|index| self.calls.remove(index));
        call.ok_or(PeerFault::UnexpectedMethod { channel: number, method: reply })
    }

    /// Takes a method, if a content follows it.
    pub(super) fn head(
        &mut self,
        number: u16,
        payload: &[u8],
        method: Method,
    ) -> Result<Option<Method>, PeerFault> {
        match method {
            Method::Basic(basic::Method::Deliver(deliver)) => {
                self.content.deliver(payload, deliver);
            }
            Method::Basic(basic::Method::Return(returned)) => {
                self.content.start(Head::Return(returned));
            }
            Method::Basic(basic::Method::GetOk(got)) => {
                self.answered(number, MethodId::BASIC_GET_OK)?;
                self.content.start(Head::GetOk(got));
            }
            method => return Ok(Some(method)),
        }
        Ok(None)
    }
}

/// Whether `reply` is an answer to `call`.
fn answers(call: MethodId, reply: MethodId) -> bool {
    match call {
        MethodId::BASIC_GET => {
            matches!(reply, MethodId::BASIC_GET_OK | MethodId::BASIC_GET_EMPTY)
        }
        MethodId::EXCHANGE_UNBIND => reply == MethodId::EXCHANGE_UNBIND_OK,
        // Everywhere else an answer has the number after its method's.
        _ => reply == MethodId { class: call.class, method: call.method.saturating_add(1) },
    }
}
