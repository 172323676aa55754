//! Runs examples as processes, with real peers.

#[path = "../support/browser.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod browser;
#[path = "../support/example.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod example;
mod files;
mod http;
mod larger;
mod multipart;
mod process;
mod rows;
mod sockets;
mod sse;
mod tcp_service;
#[path = "../support/tools.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod tools;
#[cfg(feature = "wasi")]
mod wasi_command;
