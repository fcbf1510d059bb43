//! The exchange type `x-consistent-hash`: a message goes to one destination, the same for the same
//! key, and each gets as many keys as its weight says, which is its binding's key.
//!
//! Every destination draws a number for the key, larger ones with more weight, and the largest wins
//! (weighted rendezvous hashing). So when a destination comes, it takes keys from all others and
//! none moves elsewhere; when it goes, only its own keys move. RabbitMQ keeps a bucket for each unit
//! of weight instead, and moves more; which queue a key has differs.

use smallvec::SmallVec;
use springhare_amqp::{FieldTable, ShortString};

use super::Found;
use super::destinations::Target;
use super::hash_on::HashOn;
use super::stable_hash::{StableHash, mixed};
use crate::model::arguments::ArgumentError;
use crate::model::binding::{Binding, Destination};
use crate::model::erlang::Term;
use crate::model::routed_message::RoutedMessage;
use crate::model::small_map::SmallMap;

/// The largest weight. It costs nothing here, but each unit of it a bucket on RabbitMQ.
const WEIGHT_MAX: u32 = 1_000_000;

/// The bindings of a consistent-hash exchange.
#[derive(Debug, Clone)]
pub(crate) struct ConsistentHash<Q> {
    hash_on: HashOn,
    shares: SmallMap<Destination, Share<Q>>,
}

/// What one destination is bound with.
#[derive(Debug, Clone)]
struct Share<Q> {
    target: Target<Q>,
    /// What makes its numbers others than those of its neighbours.
    seed: u64,
    /// The weights of its bindings. The first that was made counts, as on RabbitMQ.
    weights: SmallVec<[u32; 2]>,
}

impl<Q: Clone> ConsistentHash<Q> {
    /// No bindings yet. The arguments were checked when the exchange was declared.
    pub(crate) fn new(arguments: &FieldTable) -> Self {
        let hash_on = HashOn::parse(arguments).unwrap_or_default();
        Self { hash_on, shares: SmallMap::default() }
    }

    pub(crate) fn add(&mut self, binding: &Binding, target: Target<Q>) {
        let destination = binding.destination();
        let share = || Share { target, seed: seed(destination), weights: SmallVec::new() };
        let share = self.shares.get_or_insert_with(destination.clone(), share);
        share.weights.push(weight(binding.routing_key()).unwrap_or(1));
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        let destination = binding.destination();
        let Some(share) = self.shares.get_mut(destination) else { return };
        let weight = weight(binding.routing_key()).unwrap_or(1);
        if let Some(place) = share.weights.iter().position(|known| *known == weight) {
            share.weights.remove(place);
        }
        if share.weights.is_empty() {
            self.shares.remove(destination);
        }
    }

    /// When a binding was made, among those to its destination: the first is 0.
    pub(crate) fn place(&self, binding: &Binding) -> usize {
        let weight = weight(binding.routing_key()).unwrap_or(1);
        let share = self.shares.get(binding.destination());
        let place = share.and_then(|it| it.weights.iter().position(|known| *known == weight));
        place.unwrap_or_default()
    }

    pub(crate) fn matching<'t>(&'t self, message: &RoutedMessage<'_>, found: &mut Found<'t, Q>) {
        let key = self.hash_on.hash(message);
        let shares = self.shares.iter().map(|(_, share)| (share.draw(key), &share.target));
        let chosen = shares.max_by(|(one, _), (other, _)| one.total_cmp(other));
        found.choose(chosen.map(|(_, target)| target));
    }
}

impl<Q> Share<Q> {
    /// The number that is drawn for a key: with twice the weight it is the largest twice as often.
    fn draw(&self, key: u64) -> f64 {
        let weight = f64::from(self.weights.first().copied().unwrap_or(1));
        // 53 bits, as many as a float holds, make a fraction between 0 and 1, without both.
        let fraction = ((mixed(key ^ self.seed) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -weight / fraction.ln()
    }
}

fn seed(destination: &Destination) -> u64 {
    let (kind, name) = match destination {
        Destination::Queue(name) => ("queue", name),
        Destination::Exchange(name) => ("exchange", name),
    };
    StableHash::new().with(kind.as_bytes()).with(name.as_bytes()).finish()
}

/// Checks the arguments of an exchange.
///
/// # Errors
///
/// `hash-header` and `hash-property` contradict one another or name what is not there.
pub(crate) fn check_arguments(arguments: &FieldTable) -> Result<(), ArgumentError> {
    HashOn::parse(arguments).map(drop)
}

/// The weight that a binding key says.
///
/// # Errors
///
/// It is no integer, or not within 1 and [`WEIGHT_MAX`].
pub(crate) fn weight(binding_key: &ShortString) -> Result<u32, ArgumentError> {
    let refused = |text: String| Err(ArgumentError::of("routing_key", text));
    let digits = binding_key.strip_prefix(['+', '-']).unwrap_or(binding_key);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let key = binding_key.clone().into();
        return refused(format!("The binding key must be an integer: {}", Term(&key)));
    }
    if binding_key.starts_with('-') || digits.bytes().all(|byte| byte == b'0') {
        return refused("The binding key must be greater than 0".to_owned());
    }
    match digits.parse() {
        Ok(weight) if weight <= WEIGHT_MAX => Ok(weight),
        _ => refused(format!("The binding key must not be greater than {WEIGHT_MAX}")),
    }
}

#[cfg(test)]
mod tests;
