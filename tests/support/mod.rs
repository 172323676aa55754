//! The adapters in tables, the scripted guest, and inner objects that misbehave on purpose.

pub mod adapters;
pub mod codec;
pub mod cuts;
pub mod every_source;
pub mod guest;
pub mod script;
