//! What a broker is, pure: no sockets, files, locks or clock. Time is handed in.

pub(crate) mod access;
pub(crate) mod arguments;
pub(crate) mod binding;
pub(crate) mod carbon_copies;
pub(crate) mod channel;
pub(crate) mod dead_letter;
pub(crate) mod definition;
pub(crate) mod delayed_messages;
pub(crate) mod delivery;
pub(crate) mod erlang;
pub(crate) mod exchange;
pub(crate) mod expiration;
pub(crate) mod ids;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod now;
pub(crate) mod outlet;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod routed_message;
pub(crate) mod routes;
pub(crate) mod settling;
pub(crate) mod small_map;
pub(crate) mod stream;
pub(crate) mod topology;
mod unsettled;
pub(crate) mod virtual_host;
