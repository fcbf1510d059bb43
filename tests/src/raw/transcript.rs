//! Conversations with a broker, written down: what is said, and what is answered.
//!
//! ```text
//! # A comment. Without the word 'bare' on a line of its own, guest has logged in already.
//! > 1 channel.open
//! < 1 channel.open-ok
//! ```
//!
//! Lines with `>` are sent, and each line with `<` is the next frame on its channel: channels
//! are independent, and a broker need not answer them in turn. `< 1 confirmed 1..3` is all
//! confirms of these, however they are put together. `< dropped` is the end of the connection.
//! Names that the broker made up are numbered: `$gen1`, `$ctag1`, `$reply1`.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::frame::RawFrame;
use super::methods::connection_close;
use super::notation::{parse, write};
use super::{RawPeer, Received};

/// How made-up names begin, and what they are called instead.
const MADE_UP: [(&str, &str); 3] =
    [("amq.gen-", "$gen"), ("amq.ctag-", "$ctag"), ("amq.rabbitmq.reply-to.", "$reply")];

/// Plays a transcript, and returns it with the answers that really came. It ends where a frame
/// came that is not even of the kind that is written there.
///
/// # Panics
///
/// When a line can't be read, or what was to come does not come.
pub async fn play(transcript: &str, address: SocketAddr) -> String {
    let is_bare = transcript.lines().any(|line| line == "bare");
    let peer =
        if is_bare { RawPeer::connect(address).await } else { RawPeer::guest(address).await };
    let mut player = Player::new(peer);
    let mut played = String::new();
    let mut is_other = false;
    for (at, line) in transcript.lines().enumerate() {
        player.line_number = at + 1;
        let line = match line.split_once(' ') {
            Some((">", sent)) => {
                let sent = player.with_names(sent);
                player.peer.send(parse(&sent)).await;
                line.to_owned()
            }
            Some(("<", expected)) => {
                let came = player.next(expected).await;
                is_other = is_of_another_kind(expected, &came);
                format!("< {came}")
            }
            _ => line.to_owned(),
        };
        played.push_str(&line);
        played.push('\n');
        if is_other {
            return played;
        }
    }
    for line in player.end().await {
        played.push_str(&format!("< {line}\n"));
    }
    played
}

/// Where a kind is expected, which it is not in a line that is only a channel.
fn is_of_another_kind(expected: &str, came: &str) -> bool {
    let kind = |line: &str| line.split(' ').nth(1).map(str::to_owned);
    kind(expected).is_some() && kind(expected) != kind(came)
}

struct Player {
    peer: RawPeer,
    /// Where in the transcript it is.
    line_number: usize,
    /// Frames that came while one of another channel was waited for.
    waiting: BTreeMap<u16, VecDeque<RawFrame>>,
    is_dropped: bool,
    /// The outcome of each publish on a channel that was confirmed: whether it was taken.
    confirmed: BTreeMap<(u16, u64), bool>,
    /// Names that the broker made up, by what they are called.
    names: Vec<(String, String)>,
}

impl Player {
    fn new(peer: RawPeer) -> Self {
        Self {
            peer,
            line_number: 0,
            waiting: BTreeMap::new(),
            is_dropped: false,
            confirmed: BTreeMap::new(),
            names: Vec::new(),
        }
    }

    /// What comes where `expected` is written.
    async fn next(&mut self, expected: &str) -> String {
        let mut words = expected.split(' ');
        let channel = words.next().and_then(|word| word.parse().ok());
        let range = match (words.next(), words.next()) {
            (Some("confirmed"), range) => range.and_then(|range| range.split_once("..")),
            _ => None,
        };
        let (Some(channel), Some((from, to))) = (channel, range) else {
            return self.frame(channel.unwrap_or_default(), expected).await;
        };
        let tags = from.parse().expect("a delivery tag")..=to.parse().expect("a delivery tag");
        while !tags.clone().all(|tag| self.confirmed.contains_key(&(channel, tag))) {
            let line = self.frame(channel, expected).await;
            if !self.note_confirm(channel, &line) {
                return line;
            }
        }
        let is_refused = |tag: &u64| self.confirmed.get(&(channel, *tag)) == Some(&false);
        let refused: Vec<_> = tags.filter(is_refused).map(|tag| format!(" not {tag}")).collect();
        format!("{channel} confirmed {from}..{to}{}", refused.concat())
    }

    /// False when the line is no confirm.
    fn note_confirm(&mut self, channel: u16, line: &str) -> bool {
        let mut words = line.split(' ').skip(1);
        let is_taken = match words.next() {
            Some("basic.ack") => true,
            Some("basic.nack") => false,
            _ => return false,
        };
        let tag = words.next().and_then(|word| word.strip_prefix("delivery_tag="));
        let tag: u64 = tag.and_then(|tag| tag.parse().ok()).expect("a confirm has a tag");
        let first = if words.next() == Some("multiple") { 1 } else { tag };
        for tag in first..=tag {
            self.confirmed.entry((channel, tag)).or_insert(is_taken);
        }
        true
    }

    /// The next frame of this channel as a line, or what makes that there is none.
    async fn frame(&mut self, channel: u16, expected: &str) -> String {
        loop {
            if let Some(frame) = self.waiting.get_mut(&channel).and_then(VecDeque::pop_front) {
                return self.line(&frame);
            }
            if self.is_dropped {
                return "dropped".to_owned();
            }
            let what = format!("'{expected}' of line {}", self.line_number);
            match self.peer.next_for(&what).await {
                Received::Frame(frame) if frame.channel == 0 => return self.line(&frame),
                Received::Frame(frame) => {
                    self.waiting.entry(frame.channel).or_default().push_back(frame);
                }
                Received::ProtocolHeader(header) => {
                    return format!("protocol {}", header.escape_ascii());
                }
                Received::Dropped => self.is_dropped = true,
            }
        }
    }

    /// Ends the conversation; returns what nobody had asked for.
    async fn end(mut self) -> Vec<String> {
        let mut rest: Vec<_> = std::mem::take(&mut self.waiting).into_values().flatten().collect();
        if !self.is_dropped {
            self.peer.send(connection_close()).await;
            loop {
                match self.peer.next().await {
                    Received::Frame(frame) if write(&frame) == "0 connection.close-ok" => break,
                    Received::Frame(frame) => rest.push(frame),
                    Received::ProtocolHeader(_) | Received::Dropped => break,
                }
            }
        }
        rest.iter().map(|frame| self.line(frame)).collect()
    }

    /// A frame as a line, with made-up names replaced.
    fn line(&mut self, frame: &RawFrame) -> String {
        let mut line = write(frame);
        for (prefix, called) in MADE_UP {
            let mut from = 0;
            while let Some(at) = line.get(from..).and_then(|rest| rest.find(prefix)) {
                let start = from + at;
                let ends = |c| "\"' ,}".contains(c);
                let name = line.get(start..).unwrap_or_default().split(ends).next();
                let name = name.unwrap_or_default().to_owned();
                let replacement = self.name(&name, called);
                // In quotes or not is a matter of what is in it.
                let quoted = format!("\"{name}\"");
                line = line.replace(&quoted, &replacement).replace(&name, &replacement);
                from = start.saturating_sub(1) + replacement.len();
            }
        }
        line
    }

    fn name(&mut self, name: &str, called: &str) -> String {
        if let Some((known, _)) = self.names.iter().find(|(_, known)| known == name) {
            return known.clone();
        }
        let count = self.names.iter().filter(|(known, _)| known.starts_with(called)).count();
        let numbered = format!("{called}{}", count + 1);
        self.names.push((numbered.clone(), name.to_owned()));
        numbered
    }

    /// The line to send, with the real names in it.
    fn with_names(&self, line: &str) -> String {
        let replace = |line: String, (called, name): &(String, String)| line.replace(called, name);
        self.names.iter().fold(line.to_owned(), replace)
    }
}
