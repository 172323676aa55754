//! `echo-server ADDRESS`: prints the port, accepts `--connections N`, and sends each peer what comes from it.

use std::{cell::RefCell, future::poll_fn, pin::pin, task::Poll};

use guests::{
    Options, Output, Reading, Report,
    socket::{self, Receiving, Sending},
    tasks::Task,
    wasi::sockets::types::{ErrorCode, TcpSocket},
};
use wit_bindgen::StreamReader;

guests::command!(serve);

async fn serve(options: Options, report: &mut Report) {
    let (_socket, connections, port) = match listen(options.argument(0).unwrap_or("127.0.0.1:0")) {
        Ok(listening) => listening,
        Err(error) => return report.error("listen", error),
    };
    let mut output = Output::stdout(&options);
    output.text(&format!("{port}\n")).await;
    output.finish(report).await;
    accept(connections, &options, report).await;
}

fn listen(address: &str) -> Result<(TcpSocket, StreamReader<TcpSocket>, u16), ErrorCode> {
    let (socket, address) = socket::create(address)?;
    socket.bind(address)?;
    let connections = socket.listen()?;
    let port = socket::text(socket.get_local_address()?).port();
    Ok((socket, connections, port))
}

/// Serves the connections at the same time. The report has them in the order in which they were accepted.
async fn accept(connections: StreamReader<TcpSocket>, options: &Options, report: &mut Report) {
    let mut listening = Reading::new(
        connections,
        &Options { drop_after: Some(options.connections), ..options.clone() },
    );
    let served: RefCell<Vec<(Option<Task<'_, Report>>, Report)>> = RefCell::default();
    let accepting = async {
        while let Some(batch) = listening.next().await {
            for socket in batch {
                let index = served.borrow().len();
                served
                    .borrow_mut()
                    .push((Some(Box::pin(echo(socket, index, options))), Report::default()));
            }
        }
    };
    {
        let mut accepting = pin!(accepting);
        let mut accepted = false;
        poll_fn(|cx| {
            accepted = accepted || accepting.as_mut().poll(cx).is_ready();
            let mut pending = !accepted;
            for (task, report) in served.borrow_mut().iter_mut() {
                if let Some(running) = task {
                    match running.as_mut().poll(cx) {
                        Poll::Ready(done) => (*task, *report) = (None, done),
                        Poll::Pending => pending = true,
                    }
                }
            }
            if pending { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
    let (moved, end) = listening.finish();
    report.items("listen", moved, end, None::<Result<(), ErrorCode>>);
    served.into_inner().into_iter().for_each(|(_, done)| report.add(done));
}

async fn echo(socket: TcpSocket, index: usize, options: &Options) -> Report {
    let mut report = Report::default();
    let mut receiving = Receiving::new(&socket, options);
    let mut sending = Sending::new(&socket, options);
    while let Some(bytes) = receiving.bytes.next().await {
        if !sending.bytes.piece(bytes).await {
            break;
        }
    }
    receiving.finish(&format!("receive {index}"), &mut report).await;
    sending.finish(&format!("send {index}"), &mut report).await;
    report
}
