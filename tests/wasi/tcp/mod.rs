//! `wasi:sockets` over the adapters: real sockets on the loopback interface, and sockets of the host's.

#[cfg(unix)]
mod descriptors;
mod errors;
pub(crate) mod guest;
mod guest_text;
mod hosts;
mod listeners;
mod permissions;
mod runtimes;
mod states;
mod streams;
