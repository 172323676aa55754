//! tokio's and futures' traits for the host's side of hand-overs.

#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "tokio")]
mod tokio;
