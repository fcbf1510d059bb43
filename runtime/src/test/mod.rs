//! For tests: of a handler alone, and of a whole application.
//!
//! [`delivery()`] gives a unit test what a handler takes to settle with. [`Harness`] starts an
//! application on a broker of its own, whose clock the test drives; it shows what each listener was
//! [called with](Call) and what became of it, what is in the [queues](InspectedQueue), and breaks
//! what can break ([`Faults`]). [`FaultLink`] does that to any application.
//!
//! Deliberately out: assertions. A test has its own.

mod capture;
mod declared;
mod delivery;
mod faults;
mod harness;
mod queues;

pub use capture::{AWAIT_LIMIT, CALLS_MAX, Call, CallOutcome, CapturedListener, Settlement};
pub use delivery::{Settled, Settlements, TestDelivery, delivery};
pub use faults::{FaultLink, Faults};
pub use harness::{Harness, TEST_URL_VARIABLE};
pub use queues::{INSPECTED_MAX, InspectedQueue};
