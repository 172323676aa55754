//! The ecosystems' traits for the host's ends of hand-overs.

#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "tokio")]
mod tokio;
