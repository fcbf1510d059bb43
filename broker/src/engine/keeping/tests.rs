//! What the journal has is what queues have, whatever happens, and what a broker that is started
//! again has.

mod cases;
mod host;
mod queues;
mod random;
mod unread;
