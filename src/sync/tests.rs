//! The rules as tables, the stories that first designs get wrong, and what must hold in any world.

mod build;
mod decide;
mod delete;
mod first;
mod fresh;
mod guard;
mod observe;
mod properties;
mod remote;
mod settle;
mod stories;
mod world;
