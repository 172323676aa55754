//! Every adapter that needs no files, sockets or threads of the system, over the host objects of the contract's rows, with
//! arbitrary scripts of the guest and the host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasmtime_streams_fuzz::{Input, quiet};
use wasmtime_streams_testing::BoxedCheck;

#[path = "../../tests/contract/adapters/mod.rs"]
mod adapters;
#[path = "../../tests/support/script.rs"]
mod script;

thread_local! {
    /// The checks of all rows, with the names of these.
    static CHECKS: Vec<(&'static str, BoxedCheck)> = {
        let rows = adapters::scripted_rows();
        rows.flat_map(|(name, checks)| checks().0.into_iter().map(move |check| (name, check))).collect()
    };
}

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let which = usize::from(u16::from_le_bytes([input.byte(), input.byte()]));
    let ops = input.ops();
    CHECKS.with(|checks| {
        let (name, check) = &checks[which % checks.len()];
        if let Err(failure) = check.run_script(&ops) {
            eprintln!("\n{name}\n{failure}\n");
            // Not a panic: libFuzzer cannot unwind, and would panic a second time.
            std::process::abort();
        }
    });
});
