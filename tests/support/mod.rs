//! A scripted guest, an executor that notices a stall, and inner objects that misbehave on purpose.

pub mod adapters;
pub mod executor;
pub mod guest;
pub mod script;
