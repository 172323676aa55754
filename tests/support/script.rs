pub use wasmtime_streams::testing::inner::*;
