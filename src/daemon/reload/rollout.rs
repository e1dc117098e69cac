//! Rollouts: an edit of a template goes live at the clients that its `rollout:` names, and at the others when all was
//! well there.
//!
//! - [`candidates`] (pure) says who of a template's clients an edit of it waits for. Whoever edits one client alone does
//!   not wait, and an account that is shared moves for all who use it.
//! - [`Turns`] looks at how the first ones fare, in what the store remembers, so that a restart changes nothing, and
//!   tells the others to go on as they are: they keep what was good last, as under any other edit that may not take
//!   effect. Each then takes the newest configuration over, judged by itself ([`super::admit`]).
//! - [`Rollout`] is what is remembered, one for each template; [`Stage`] is how far it is.
//! - [`back`] lets the first ones go on with what they ran before, after a person rejected the edit.

mod back;
mod candidates;
mod forecast;
mod record;
mod stage;
mod trial;
mod turns;

pub(super) use back::{PutBack, put_back};
pub(super) use candidates::{Clients, candidates};
pub(super) use forecast::forecast;
pub use record::Rollout;
pub(in crate::daemon) use record::{all, answer, leave_out, named};
pub(super) use record::{forget, generations};
pub use stage::Stage;
pub use trial::Trial;
pub(super) use turns::{Sight, Taken, Turns};
