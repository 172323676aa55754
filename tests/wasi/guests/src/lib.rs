//! What the guests share: the imports, the options, streams that count what they move, and the report.

pub mod files;
pub mod input;
pub mod options;
pub mod output;
pub mod read;
pub mod report;
pub mod socket;
pub mod tasks;
pub mod write;

/// The imports, as wit-bindgen makes them.
pub mod imports {
    wit_bindgen::generate!({ path: "wit", world: "imports", generate_all });
}

pub use imports::wasi;
pub use imports::{wit_future, wit_stream};
pub use {
    input::Input, options::Options, output::Output, read::Reading, report::Report, write::Writing,
};

/// Exports `wasi:cli/run`, which runs an `async fn(Options, &mut Report)` and then writes its report to stderr.
///
/// The report's status is the exit status.
#[macro_export]
macro_rules! command {
    ($main:path) => {
        wit_bindgen::generate!({ path: "wit", world: "command", generate_all });

        struct Command;

        impl exports::wasi::cli::run::Guest for Command {
            async fn run() -> Result<(), ()> {
                let mut report = $crate::Report::default();
                match $crate::Options::of_the_command() {
                    Ok(options) => $main(options, &mut report).await,
                    Err(message) => report.fail("options", message),
                }
                report.write().await
            }
        }

        export!(Command);
    };
}
