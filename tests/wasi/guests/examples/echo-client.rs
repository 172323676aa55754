//! `echo-client ADDRESS`: sends stdin, shuts down its half of the connection, and prints what comes back.

use guests::{
    Input, Options, Output, Report,
    socket::{self, Receiving, Sending},
    tasks::{Task, all},
    wasi::sockets::types::{ErrorCode, TcpSocket},
};

guests::command!(client);

async fn client(options: Options, report: &mut Report) {
    let socket = match connect(options.argument(0).unwrap_or_default()).await {
        Ok(socket) => socket,
        Err(error) => return report.error("connect", error),
    };
    let tasks: Vec<Task<'_, Report>> =
        vec![Box::pin(send(&socket, &options)), Box::pin(receive(&socket, &options))];
    all(tasks).await.into_iter().for_each(|done| report.add(done));
}

async fn connect(address: &str) -> Result<TcpSocket, ErrorCode> {
    let (socket, address) = socket::create(address)?;
    socket.connect(address).await?;
    Ok(socket)
}

/// `--drop-after` is for what comes back.
async fn send(socket: &TcpSocket, options: &Options) -> Report {
    let mut report = Report::default();
    let mut input = Input::stdin(&Options { drop_after: None, ..options.clone() });
    let mut sending = Sending::new(socket, options);
    while let Some(bytes) = input.bytes.next().await {
        if !sending.bytes.piece(bytes).await {
            break;
        }
    }
    input.finish(&mut report).await;
    sending.finish("send", &mut report).await;
    report
}

async fn receive(socket: &TcpSocket, options: &Options) -> Report {
    let mut report = Report::default();
    let mut receiving = Receiving::new(socket, options);
    let mut output = Output::stdout(options);
    while let Some(bytes) = receiving.bytes.next().await {
        if !output.piece(bytes).await {
            break;
        }
    }
    receiving.finish("receive", &mut report).await;
    output.finish(&mut report).await;
    report
}
