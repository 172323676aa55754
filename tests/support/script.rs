pub(crate) use wasmtime_streams_testing::inner::*;
