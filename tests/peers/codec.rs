//! Lines over sockets, to a guest and back.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio_util::codec::{Framed, FramedRead, FramedWrite, LinesCodec, LinesCodecError};
use wasmtime_streams::{End, codec};
use wasmtime_streams_testing::{Code, Guest, Setup};

/// Reads lines, a few at a time, and writes each one back, until there are no more.
async fn echo(guest: &Guest<'_, (), String>, input: u32, output: u32) -> u32 {
    let mut count = 0;
    loop {
        let (code, _) = guest.recv(input, 7).await;
        let n = code.count();
        count += n;
        if n > 0 {
            // The lines are in the guest's buffer.
            let written = match guest.write(output, n).await {
                Code::Blocked => guest.wait(output).await,
                code => code,
            };
            assert_eq!(written, Code::Completed(n));
            guest.reset_heap().await;
        }
        if let Code::Dropped(_) = code {
            guest.drop_writable(output).await;
            return count;
        }
    }
}

/// Runs a guest that sends the lines of `reader` to `writer`.
async fn serve<R, W>(reader: R, writer: W) -> (u32, End<LinesCodecError>, End<LinesCodecError>)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let lines = FramedRead::new(reader, LinesCodec::new_with_max_length(1 << 20));
    let (producer, read) = codec::read(lines).with_completion();
    let lines = FramedWrite::new(writer, LinesCodec::new());
    let (consumer, written) = codec::write::<_, _, String>(lines).with_completion();
    let run = Setup::new(()).drive::<String, _>(async |guest| {
        let input = guest.source(producer).await;
        let output = guest.sink(consumer).await;
        let count = echo(guest, input, output).await;
        (count, read.await.end, written.await.end)
    });
    run.await.unwrap()
}

/// Sends lines, split anywhere, and reads what comes back until the other side shuts down.
async fn talk<S: AsyncRead + AsyncWrite>(socket: S, lines: &[String]) -> io::Result<Vec<String>> {
    let (reader, mut writer) = tokio::io::split(socket);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let send = async {
        for piece in text.as_bytes().chunks(4099) {
            writer.write_all(piece).await?;
        }
        writer.shutdown().await
    };
    let receive = async {
        let mut got = Vec::new();
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            got.push(line);
        }
        Ok(got)
    };
    tokio::try_join!(send, receive).map(|((), got)| got)
}

fn text() -> Vec<String> {
    // Short lines, empty ones, and some larger than any buffer on the way.
    (0..2000)
        .map(|n| format!("{n} ").repeat(if n % 500 == 499 { 20_000 } else { n % 40 }))
        .collect()
}

async fn echoed<S>(
    peer: S,
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let peer = tokio::spawn(async move { talk(peer, &text()).await });
    let (count, read, written) = serve(reader, writer).await;
    assert!(read.is_finished() && written.is_finished(), "{read:?}, {written:?}");
    assert_eq!(count, 2000);
    assert!(peer.await.unwrap().unwrap() == text());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_go_through_a_guest_over_tcp() {
    // Rule "Exactly once, in order".
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (peer, accepted) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
    let (reader, writer) = accepted.unwrap().0.into_split();
    echoed(peer.unwrap(), reader, writer).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn lines_go_through_a_guest_over_a_unix_socket() {
    // Rule "Exactly once, in order".
    let (peer, socket) = tokio::net::UnixStream::pair().unwrap();
    let (reader, writer) = socket.into_split();
    echoed(peer, reader, writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_long_ends_the_stream() {
    // Rule "Items before the error".
    use futures::SinkExt as _;
    let (peer, host) = tokio::io::duplex(64);
    let sent = tokio::spawn(async move {
        let mut peer = Framed::new(peer, LinesCodec::new());
        peer.send("fine").await?;
        peer.send("x".repeat(1 << 20)).await
    });
    let lines = FramedRead::new(host, LinesCodec::new_with_max_length(100));
    let (producer, done) = codec::read(lines).with_completion();
    let run = Setup::new(()).drive::<String, _>(async |guest| {
        let input = guest.source(producer).await;
        // Timing decides whether the end comes with the first line.
        let first = guest.recv(input, 9).await.0;
        if first == Code::Completed(1) {
            assert_eq!(guest.recv(input, 9).await.0, Code::Dropped(0));
        } else {
            assert_eq!(first, Code::Dropped(1));
        }
        done.await
    });
    let done = run.await.unwrap();
    assert!(matches!(done.end, End::Failed(LinesCodecError::MaxLineLengthExceeded)));
    assert_eq!(done.moved, 1);
    // Nobody reads from the peer any more, and the peer sees that.
    drop(done.inner);
    assert!(sent.await.unwrap().is_err());
}
