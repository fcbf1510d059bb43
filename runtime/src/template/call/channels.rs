use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::{Message, Property, ShortString};

use super::channel::CallChannel;
use super::pending::End;
use super::wait::Wait;
use crate::connection::is_refusable;

/// The most channels for calls; the one that was idle for longest makes room.
pub(super) const CALL_CHANNELS_MAX: usize = 16;
/// Headers that take more bytes may not fit a frame, of which a broker may take no larger than this.
const USUAL_PROPERTIES_BYTES: usize = 4096;

/// Which channel a request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) exchange: ShortString,
    pub(super) takes: Takes,
}

/// How many calls a channel has at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Any,
    /// The broker may refuse the request for its own sake, which would close the channel under all
    /// others on it.
    One,
}

impl Takes {
    pub(super) fn of(message: &Message) -> Self {
        let properties = &message.properties;
        let is_large = || {
            properties.has(Property::Headers) && properties.are_longer_than(USUAL_PROPERTIES_BYTES)
        };
        if is_refusable(message) || is_large() { Self::One } else { Self::Any }
    }
}

/// The channels that calls are on.
#[derive(Debug, Default)]
pub(super) struct CallChannels {
    open: Vec<Used>,
    /// It takes no more calls, so that one that waits gets its place once its own are over.
    leaving: Option<Arc<CallChannel>>,
}

#[derive(Debug)]
struct Used {
    way: Way,
    channel: Arc<CallChannel>,
    /// The call that was the last on it.
    last: u64,
}

impl Used {
    fn takes_another(&self) -> bool {
        !self.channel.has_ended() && (self.way.takes == Takes::Any || self.is_idle())
    }

    fn is_idle(&self) -> bool {
        self.channel.pending.is_empty()
    }
}

impl CallChannels {
    /// Adds a call to the channel of its way; none if there is none that takes it.
    pub(super) fn add_call(
        &mut self,
        way: &Way,
        number: u64,
        wait: &Wait,
    ) -> Option<Arc<CallChannel>> {
        let used = self.open.iter_mut().find(|used| used.way == *way && used.takes_another())?;
        if !used.channel.pending.add(number, wait.clone()) {
            return None;
        }
        used.last = number;
        Some(Arc::clone(&used.channel))
    }

    /// A channel that has its first call.
    pub(super) fn insert(&mut self, way: Way, channel: Arc<CallChannel>, first: u64) {
        self.open.push(Used { way, channel, last: first });
    }

    /// Whether there is room for another; what was idle for longest is closed for that. If none is,
    /// the one that was taken longest ago gets no more calls from now on.
    pub(super) fn make_room(&mut self) -> bool {
        self.open.retain(|used| !used.channel.has_ended());
        if let Some(leaving) =
            self.leaving.take_if(|leaving| leaving.has_ended() || leaving.pending.is_empty())
        {
            leaving.close();
        }
        if self.open.len() + usize::from(self.leaving.is_some()) < CALL_CHANNELS_MAX {
            return true;
        }
        if let Some(idle) = self.take_oldest(Used::is_idle) {
            idle.close();
            return true;
        }
        if self.leaving.is_none() {
            self.leaving = self.take_oldest(|_| true);
        }
        false
    }

    fn take_oldest(&mut self, is_wanted: fn(&Used) -> bool) -> Option<Arc<CallChannel>> {
        let wanted = self.open.iter().enumerate().filter(|(_, used)| is_wanted(used));
        let (oldest, _) = wanted.min_by_key(|(_, used)| used.last)?;
        Some(self.open.swap_remove(oldest).channel)
    }

    /// Calls to these queues are given up soon.
    pub(super) fn leave(&self, queues: &BTreeSet<ShortString>, now: Duration) {
        let open = self.open.iter().filter(|used| used.way.exchange.is_empty());
        let open = open.map(|used| &used.channel).chain(&self.leaving);
        open.for_each(|channel| channel.pending.leave(queues, now));
    }

    /// Ends all their calls.
    pub(super) fn end(self, end: &End) {
        let open = self.open.into_iter().map(|used| used.channel);
        open.chain(self.leaving).for_each(|channel| channel.end(end));
    }
}

#[cfg(test)]
mod tests {
    use springhare_broker::Broker;

    use super::*;
    use crate::connection::{EmbeddedLink, Link};
    use crate::events::BrokerEvents;
    use crate::template::TemplateLinks;
    use crate::template::publishing::Publishing;

    /// A channel that nobody serves.
    fn channel() -> Arc<CallChannel> {
        let link: Arc<dyn Link> = Arc::new(EmbeddedLink::new(Broker::builder().start().unwrap()));
        let links = TemplateLinks {
            publishing: Arc::clone(&link),
            channels: link,
            observer: None,
            events: BrokerEvents::for_test(),
        };
        let publishing = Arc::new(Publishing::new(links));
        let (late_replies, has_channel) = Default::default();
        let (channel, task) =
            CallChannel::new(ShortString::EMPTY, publishing, late_replies, has_channel);
        // Dropped, it would end the channel.
        std::mem::forget(task);
        channel
    }

    fn way(exchange: usize, takes: Takes) -> Way {
        Way { exchange: ShortString::truncated(&exchange.to_string()), takes }
    }

    fn begin(channels: &mut CallChannels, way: &Way, number: u64) -> bool {
        let wait = Wait::new(None, Duration::ZERO, Duration::MAX);
        if channels.add_call(way, number, &wait).is_some() {
            return true;
        }
        let has_room = channels.make_room();
        if has_room {
            let channel = channel();
            assert!(channel.pending.add(number, wait));
            channels.insert(way.clone(), channel, number);
        }
        has_room
    }

    #[test]
    fn what_may_be_refused_is_alone_on_its_channel() {
        let mut channels = CallChannels::default();
        let (usual, refusable) = (way(1, Takes::Any), way(1, Takes::One));
        for number in 1..=2 {
            assert!(begin(&mut channels, &usual, number));
        }
        assert_eq!(channels.open.len(), 1);
        for number in 3..=4 {
            assert!(begin(&mut channels, &refusable, number));
        }
        assert_eq!(channels.open.len(), 3);
        channels.open[1].channel.pending.remove(3);
        assert!(begin(&mut channels, &refusable, 5));
        assert_eq!(channels.open.len(), 3, "one that is idle takes the next");
    }

    #[test]
    fn an_exchange_more_than_there_are_channels_gets_its_turn() {
        let mut channels = CallChannels::default();
        let mut number = 0;
        for exchange in 0..CALL_CHANNELS_MAX {
            for _ in 0..2 {
                number += 1;
                assert!(begin(&mut channels, &way(exchange, Takes::Any), number));
            }
        }
        let another = way(CALL_CHANNELS_MAX, Takes::Any);
        assert!(!begin(&mut channels, &another, 100), "all are busy");
        assert!(!begin(&mut channels, &way(0, Takes::Any), 101), "the oldest takes no more calls");
        assert!(begin(&mut channels, &way(1, Takes::Any), 102), "the others do");
        let leaving = channels.leaving.clone().unwrap();
        leaving.pending.remove(1);
        assert!(!begin(&mut channels, &another, 103));
        leaving.pending.remove(2);
        assert!(begin(&mut channels, &another, 104), "its last call is over");
        assert!(channels.leaving.is_none());
    }

    #[test]
    fn what_is_idle_for_longest_makes_room() {
        let mut channels = CallChannels::default();
        for exchange in 0..CALL_CHANNELS_MAX {
            assert!(begin(&mut channels, &way(exchange, Takes::Any), exchange as u64));
        }
        for exchange in [3, 5] {
            channels.open[exchange].channel.pending.remove(exchange as u64);
        }
        assert!(begin(&mut channels, &way(99, Takes::Any), 99));
        assert!(!channels.open.iter().any(|used| used.way == way(3, Takes::Any)));
        assert!(channels.open.iter().any(|used| used.way == way(5, Takes::Any)));
    }

    #[test]
    fn headers_that_may_not_fit_a_frame_go_apart() {
        let message = |bytes| {
            let mut message = Message::new("tea");
            message.properties.set_header(ShortString::from_static("x"), vec![0_u8; bytes].into());
            message
        };
        assert_eq!(Takes::of(&message(100)), Takes::Any);
        assert_eq!(Takes::of(&message(5000)), Takes::One);
    }
}
