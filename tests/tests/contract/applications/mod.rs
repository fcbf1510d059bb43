//! Listeners and the template, as applications use them.

mod absent;
mod attributes;
mod batches;
mod calls;
mod codecs;
mod definitions;
mod dispatch;
mod extractors;
mod facts;
mod failures;
mod losses;
mod middleware;
mod one_program;
mod outbox;
mod path;
mod replies;
mod retries;
mod returns;
mod settlement;
mod stop;
mod streams;
mod template;
mod types;
