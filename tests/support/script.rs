pub use wasmtime_streams_testing::inner::*;
