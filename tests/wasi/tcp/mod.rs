//! `wasi:sockets` over the adapters: real sockets on the loopback interface, and sockets of the host's.

mod errors;
mod guest;
mod hosts;
mod listeners;
mod permissions;
mod runtimes;
mod states;
mod streams;
