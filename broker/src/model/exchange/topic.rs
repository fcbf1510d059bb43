//! The topic exchange: binding keys are patterns of words parted by dots, where `*` stands for
//! one word and `#` for any number of them, none included.
//!
//! The patterns are a trie, an edge per word. A routing key walks it as an automaton with many
//! states at once: each word takes the whole set of nodes reached so far one step on, and a
//! node is in the set once however many ways lead to it. So the work is at most words × nodes,
//! for patterns of a hundred `#` as well, where trying every split would be exponential.
//!
//! The trie is persistent: its nodes are shared between snapshots, and a change copies the nodes
//! on one path. No walk recurses; a trie is as deep as a key has words, at most 256, so dropping
//! one does not go deep either.

use std::sync::Arc;

use smallvec::SmallVec;
use springhare_amqp::ShortString;

use super::Found;
use super::destinations::{Destinations, Target};
use crate::model::binding::Binding;
use crate::model::routes::Visited;
use crate::model::small_map::SmallMap;

/// The bindings of a topic exchange.
#[derive(Debug, Clone)]
pub(crate) struct Topic<Q> {
    root: Node<Q>,
}

#[derive(Debug, Clone)]
struct Node<Q> {
    /// The edges for words that stand for themselves.
    words: SmallMap<ShortString, Arc<Self>>,
    /// The edge `*`.
    star: Option<Arc<Self>>,
    /// The edge `#`.
    hash: Option<Arc<Self>>,
    /// What is bound with the pattern that ends here.
    destinations: Destinations<Q>,
}

/// One word of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'k> {
    Literal(&'k str),
    Star,
    Hash,
}

type Nodes<'t, Q> = SmallVec<[&'t Node<Q>; 16]>;

impl<Q> Default for Topic<Q> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<Q: Clone> Topic<Q> {
    pub(crate) fn add(&mut self, binding: &Binding, target: Target<Q>) {
        let mut node = &mut self.root;
        for word in pattern(binding.routing_key()) {
            node = node.child_or_new(word);
        }
        node.destinations.add(binding.destination(), target);
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        let words = pattern(binding.routing_key());
        let Some(node) = self.root.descendant_mut(&words) else { return };
        node.destinations.remove(binding.destination());
        if node.is_bare() {
            self.prune(&words);
        }
    }

    /// Cuts the branch that ends in the bare node of `words`, as far up as nothing else is on it.
    fn prune(&mut self, words: &[Word<'_>]) {
        let mut node = &self.root;
        // How many words lead to the node that stays, below which the branch is cut.
        let mut kept = 0;
        for (depth, word) in words.iter().enumerate() {
            if node.edges() > 1 || !node.destinations.is_empty() {
                kept = depth;
            }
            let Some(child) = node.child(*word) else { return };
            node = child;
        }
        let (above, below) = words.split_at(kept);
        if let (Some(node), Some(word)) = (self.root.descendant_mut(above), below.first()) {
            node.cut(*word);
        }
    }

    pub(crate) fn matching<'t>(&'t self, routing_key: &str, found: &mut Found<'t, Q>) {
        // The nodes reached with exactly the words so far, and those behind a `#`, which stay
        // reached whatever words follow. Normalised patterns have no `#` behind a `#`, so every
        // node is in one of the two at most once: `reached` nodes have one parent each, and
        // `opened` ones are checked.
        let mut reached = Nodes::new();
        let mut opened = Nodes::new();
        let mut visited = Visited::default();
        let mut next = Nodes::new();
        arrive(&self.root, &mut reached, &mut opened, &mut visited);
        for word in words(routing_key) {
            // What `arrive` opens in this step takes part from the next word on.
            let open_before = opened.len();
            for place in 0..reached.len() + open_before {
                let node = match place.checked_sub(reached.len()) {
                    None => reached.get(place),
                    Some(place) => opened.get(place),
                };
                let Some(&node) = node else { break };
                if let Some(child) = node.words.get(word) {
                    arrive(child, &mut next, &mut opened, &mut visited);
                }
                if let Some(child) = &node.star {
                    arrive(child, &mut next, &mut opened, &mut visited);
                }
            }
            std::mem::swap(&mut reached, &mut next);
            next.clear();
            if reached.is_empty() && opened.is_empty() {
                return;
            }
        }
        let ends = reached.iter().chain(&opened).map(|node| &node.destinations);
        found.extend(ends.filter(|destinations| !destinations.is_empty()));
    }
}

/// Adds `node` to the nodes reached, and what its `#` opens, which takes no word.
fn arrive<'t, Q>(
    node: &'t Node<Q>,
    reached: &mut Nodes<'t, Q>,
    opened: &mut Nodes<'t, Q>,
    visited: &mut Visited,
) {
    reached.push(node);
    if let Some(open) = node.hash.as_deref()
        && visited.insert(open)
    {
        opened.push(open);
    }
}

impl<Q> Default for Node<Q> {
    fn default() -> Self {
        Self {
            words: SmallMap::default(),
            star: None,
            hash: None,
            destinations: Destinations::default(),
        }
    }
}

impl<Q: Clone> Node<Q> {
    fn child(&self, word: Word<'_>) -> Option<&Self> {
        match word {
            Word::Literal(word) => self.words.get(word).map(Arc::as_ref),
            Word::Star => self.star.as_deref(),
            Word::Hash => self.hash.as_deref(),
        }
    }

    fn child_mut(&mut self, word: Word<'_>) -> Option<&mut Self> {
        let child = match word {
            Word::Literal(word) => self.words.get_mut(word),
            Word::Star => self.star.as_mut(),
            Word::Hash => self.hash.as_mut(),
        };
        child.map(Arc::make_mut)
    }

    fn child_or_new(&mut self, word: Word<'_>) -> &mut Self {
        let child = match word {
            Word::Literal(word) => {
                self.words.get_or_insert_with(ShortString::truncated(word), Arc::default)
            }
            Word::Star => self.star.get_or_insert_default(),
            Word::Hash => self.hash.get_or_insert_default(),
        };
        Arc::make_mut(child)
    }

    fn descendant_mut(&mut self, words: &[Word<'_>]) -> Option<&mut Self> {
        let mut node = self;
        for word in words {
            node = node.child_mut(*word)?;
        }
        Some(node)
    }

    fn cut(&mut self, word: Word<'_>) {
        match word {
            Word::Literal(word) => drop(self.words.remove(word)),
            Word::Star => self.star = None,
            Word::Hash => self.hash = None,
        }
    }

    fn edges(&self) -> usize {
        self.words.len() + usize::from(self.star.is_some()) + usize::from(self.hash.is_some())
    }

    fn is_bare(&self) -> bool {
        self.edges() == 0 && self.destinations.is_empty()
    }
}

/// The words of a key; an empty key has none.
fn words(key: &str) -> impl Iterator<Item = &str> {
    key.split('.').filter(move |_| !key.is_empty())
}

/// The words of a binding key, every run of wildcards in its shortest form: `#.*.#.*` and
/// `*.*.#` both mean "two words or more".
fn pattern(key: &ShortString) -> SmallVec<[Word<'_>; 8]> {
    let mut pattern = SmallVec::new();
    let mut open = false;
    for word in words(key) {
        match word {
            "*" => pattern.push(Word::Star),
            "#" => open = true,
            word => {
                if std::mem::take(&mut open) {
                    pattern.push(Word::Hash);
                }
                pattern.push(Word::Literal(word));
            }
        }
    }
    if open {
        pattern.push(Word::Hash);
    }
    pattern
}

#[cfg(test)]
mod tests;
