//! Layers that need an ecosystem: ends by tokio's clock and tokens, spans of tracing.

#[cfg(feature = "tokio")]
mod deadlines;
#[cfg(feature = "tracing")]
mod traced;
