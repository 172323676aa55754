//! The bytes that a guest reads: those of stdin, or of a file that its first argument names.

use std::fmt::Debug;

use crate::{
    Options, Reading, Report, files,
    wasi::{
        cli::{stdin, types as cli},
        filesystem::types as filesystem,
    },
};
use wit_bindgen::FutureReader;

/// The bytes that a guest reads, and the future of their result.
#[derive(Debug)]
pub struct Input {
    /// The stream.
    pub bytes: Reading<u8>,
    result: ResultOf,
}

// Of stdin, or of the file that is open for so long.
#[derive(Debug)]
enum ResultOf {
    Stdin(FutureReader<Result<(), cli::ErrorCode>>),
    File(FutureReader<Result<(), filesystem::ErrorCode>>, filesystem::Descriptor),
}

impl Input {
    /// Stdin.
    pub fn stdin(options: &Options) -> Self {
        let (stream, result) = stdin::read_via_stream();
        Self { bytes: Reading::new(stream, options), result: ResultOf::Stdin(result) }
    }

    /// The file at `path`, from the offset of the options. If it cannot be opened the report says why.
    pub async fn file(path: &str, options: &Options, report: &mut Report) -> Option<Self> {
        match files::read(path).await {
            Ok(file) => {
                let (stream, result) = file.read_via_stream(options.offset);
                Some(Self {
                    bytes: Reading::new(stream, options),
                    result: ResultOf::File(result, file),
                })
            }
            Err(error) => {
                report.error("open", error);
                None
            }
        }
    }

    /// The file that the first argument names, or stdin if there is none.
    pub async fn of(options: &Options, report: &mut Report) -> Option<Self> {
        match options.argument(0) {
            Some(path) => Self::file(path, options, report).await,
            None => Some(Self::stdin(options)),
        }
    }

    /// Waits for the result, and reports it.
    pub async fn finish(self, report: &mut Report) {
        match self.result {
            ResultOf::Stdin(result) => finish(self.bytes, result, report).await,
            ResultOf::File(result, _file) => finish(self.bytes, result, report).await,
        }
    }
}

async fn finish<E: Debug>(
    bytes: Reading<u8>,
    result: impl IntoFuture<Output = Result<(), E>>,
    report: &mut Report,
) {
    let (moved, end, result) = bytes.result(result).await;
    report.stream("read", moved, end, result);
}
