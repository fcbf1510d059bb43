//! What the journal has is what queues have, whatever happens, and what a broker that is started
//! again has.

mod cases;
mod host;
mod memory;
mod queues;
mod random;
mod unread;
