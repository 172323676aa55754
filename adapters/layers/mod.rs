//! Layers that need an optional dependency: tokio's timers, tokio-util's tokens, tracing's spans.

#[cfg(feature = "tokio")]
mod deadlines;
#[cfg(feature = "tracing")]
mod traced;
