//! Tables of the adapters, the scripted guest, and host objects that misbehave on purpose.

pub mod adapters;
pub mod codec;
pub mod cuts;
pub mod every_source;
pub mod guest;
pub mod script;
