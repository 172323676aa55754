//! Streams to stdout.

use wit_bindgen::FutureReader;

use crate::{
    Options, Report, Writing,
    tasks::{Task, all},
    wasi::cli::{stdout, types::ErrorCode},
    wit_stream,
};

/// As many streams to stdout as the options say, open at the same time.
#[derive(Debug)]
pub struct Output {
    streams: Vec<(Writing, FutureReader<Result<(), ErrorCode>>)>,
    at_once: bool,
    turn: usize,
}

impl Output {
    /// Opens the streams.
    pub fn stdout(options: &Options) -> Self {
        let streams = (0..options.streams)
            .map(|_| {
                let (writer, reader) = wit_stream::new();
                (Writing::new(writer, options), stdout::write_via_stream(reader))
            })
            .collect();
        Self { streams, at_once: options.at_once, turn: 0 }
    }

    /// Writes the bytes in one piece: by the streams in turn, or at once by all, each its part.
    ///
    /// False if stdout takes no more.
    pub async fn piece(&mut self, bytes: Vec<u8>) -> bool {
        if self.at_once {
            let part = bytes.len().div_ceil(self.streams.len()).max(1);
            let parts = bytes.chunks(part).map(<[u8]>::to_vec);
            let tasks = self.streams.iter_mut().zip(parts);
            let tasks =
                tasks.map(|((stream, _), part)| Box::pin(stream.piece(part)) as Task<'_, bool>);
            all(tasks.collect()).await.into_iter().all(|taken| taken)
        } else {
            let turn = self.turn % self.streams.len();
            self.turn += 1;
            self.streams[turn].0.piece(bytes).await
        }
    }

    /// Writes a text, in pieces as long as the options say.
    pub async fn text(&mut self, text: &str) -> bool {
        self.streams[0].0.all(text.as_bytes()).await
    }

    /// Drops all streams, waits for their results, and reports them.
    pub async fn finish(self, report: &mut Report) {
        let single = self.streams.len() == 1;
        for (index, (stream, result)) in self.streams.into_iter().enumerate() {
            let (moved, end, result) = stream.result(result).await;
            let what = if single { "write".to_owned() } else { format!("write {index}") };
            report.stream(what, moved, end, result);
        }
    }
}
