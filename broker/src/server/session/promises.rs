use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::BytesMut;
use springhare_amqp::MethodId;
use springhare_amqp::wire::method::basic;
use springhare_amqp::wire::{EncodeMethod, encode_method_frame};

use crate::engine::channel_publishing::{Confirmed, Confirms};
use crate::engine::events::ConfirmOutcome;
use crate::engine::shared::Shared;
use crate::engine::signals::Signals;
use crate::engine::synced::not_stored;
use crate::model::settling::Multiple;
use crate::model::stored::Lsn;
use crate::protocol::{Fault, Output};

/// What a connection was promised, in its order: each is told once what it promises is on the disk.
///
/// Nothing waits here without a journal. Confirms wait while the connection is read from and
/// served. An answer waits as the last of all: nothing more is done for the connection until it is
/// told, so that no answer overtakes another.
#[derive(Debug)]
pub(super) struct Promises {
    shared: Arc<Shared>,
    signals: Arc<Signals>,
    /// Tells the signals that more is synced; never used without a journal.
    synced: Waker,
    waiting: VecDeque<Promise>,
    /// Whether the journal was asked for the first of them, and has not told yet.
    is_asked: bool,
}

#[derive(Debug)]
struct Promise {
    channel: u16,
    /// What has to be synced before it is told.
    end: Lsn,
    told: Told,
}

#[derive(Debug)]
enum Told {
    Confirm(Confirmed),
    /// The frame that answers this method.
    Answer(MethodId, BytesMut),
}

impl Promises {
    pub(super) fn new(shared: Arc<Shared>, signals: Arc<Signals>) -> Self {
        let has_journal = shared.journal().is_some();
        let synced = if has_journal { signals.synced_waker() } else { Waker::noop().clone() };
        Self { shared, signals, synced, waiting: VecDeque::new(), is_asked: false }
    }

    /// Tells these confirms, now or once they are safe.
    pub(super) fn confirm(&mut self, channel: u16, confirms: Confirms, output: &mut Output) {
        let Confirms { confirms, end } = confirms;
        // What is not on the disk need not wait, but for those before it on its channel.
        if end == Lsn::NONE && !self.waiting.iter().any(|promise| promise.channel == channel) {
            for confirmed in confirms {
                write_confirm(channel, confirmed, output);
            }
            return;
        }
        let promise = |confirmed| Promise { channel, end, told: Told::Confirm(confirmed) };
        self.waiting.extend(confirms.into_iter().map(promise));
    }

    /// Answers the method `to`, now or once what was done is safe.
    pub(super) fn answer<M: EncodeMethod>(
        &mut self,
        channel: u16,
        (to, answer): (MethodId, &M),
        end: Lsn,
        output: &mut Output,
    ) {
        if end == Lsn::NONE {
            output.method(channel, answer);
            return;
        }
        let mut frame = BytesMut::new();
        encode_method_frame(channel, answer, &mut frame);
        self.waiting.push_back(Promise { channel, end, told: Told::Answer(to, frame) });
    }

    /// Forgets what was promised on a channel, which is closed: its number may be used again.
    pub(super) fn forget_channel(&mut self, channel: u16) {
        self.waiting.retain(|promise| promise.channel != channel);
    }

    /// Whether an answer waits, before which nothing else is done.
    pub(super) fn has_answer(&self) -> bool {
        self.waiting.back().is_some_and(|promise| matches!(promise.told, Told::Answer(..)))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Tells what is safe by now; whether that was anything.
    ///
    /// # Errors
    ///
    /// 541 when the store has failed and an answer waited for it. A confirm is a refusal then.
    pub(super) fn keep(&mut self, output: &mut Output) -> Result<bool, Fault> {
        if self.waiting.is_empty() || self.is_asked && !self.signals.take_synced() {
            return Ok(false);
        }
        self.is_asked = false;
        let mut has_told = false;
        let mut run = ConfirmRun { output, last: None };
        while let Some(Promise { end, .. }) = self.waiting.front() {
            let Poll::Ready(synced) = self.shared.poll_synced(*end, &self.synced) else {
                self.is_asked = true;
                break;
            };
            let Some(Promise { channel, told, .. }) = self.waiting.pop_front() else { break };
            has_told = true;
            match (told, synced) {
                (Told::Confirm(confirmed), Ok(())) => run.add(channel, confirmed),
                (Told::Confirm(confirmed), Err(_)) => {
                    run.add(channel, Confirmed { outcome: ConfirmOutcome::Nack, ..confirmed });
                }
                (Told::Answer(_, frame), Ok(())) => {
                    run.write();
                    run.output.raw(&frame);
                }
                (Told::Answer(to, _), Err(failure)) => {
                    run.write();
                    return Err(Fault { channel: 0, error: not_stored(to, &failure) });
                }
            }
        }
        run.write();
        Ok(has_told)
    }
}

/// Confirms as they are written: of neighbours that say the same the last one says it for all.
struct ConfirmRun<'o> {
    output: &'o mut Output,
    last: Option<(u16, Confirmed)>,
}

impl ConfirmRun<'_> {
    fn add(&mut self, channel: u16, confirmed: Confirmed) {
        match &mut self.last {
            Some((of, last)) if *of == channel && last.outcome == confirmed.outcome => {
                *last = Confirmed { multiple: Multiple::UpTo, ..confirmed };
            }
            _ => {
                self.write();
                self.last = Some((channel, confirmed));
            }
        }
    }

    fn write(&mut self) {
        if let Some((channel, confirmed)) = self.last.take() {
            write_confirm(channel, confirmed, self.output);
        }
    }
}

fn write_confirm(channel: u16, confirmed: Confirmed, output: &mut Output) {
    let Confirmed { delivery_tag, multiple, outcome } = confirmed;
    let multiple = multiple.bit();
    match outcome {
        ConfirmOutcome::Ack => output.method(channel, &basic::Ack { delivery_tag, multiple }),
        ConfirmOutcome::Nack => {
            output.method(channel, &basic::Nack { delivery_tag, multiple, requeue: false });
        }
    }
}
