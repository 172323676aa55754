//! A service that answers with the body and the trailers of the request. The query of the request has the options, as
//! `?--buffer&1&--zero`. It has two of its own: `--content-length N`, which the response declares, right or wrong, and
//! `--trap-after N`: it traps once it has sent so many bytes, and for 0 before it answers.

use guests::{
    Options, Reading, Report, Writing,
    wasi::http::types::{ErrorCode, Fields, Request, Response},
    wit_future, wit_stream,
};

wit_bindgen::generate!({
    path: "wit",
    world: "service",
    with: { "wasi:http/types@0.3.0": guests::wasi::http::types },
});

struct Service;

/// Takes the option `name` and its number out of `words`.
fn take(words: &mut Vec<String>, name: &str) -> Result<Option<u64>, &'static str> {
    let Some(at) = words.iter().position(|word| word == name) else { return Ok(None) };
    let number = words.get(at + 1).and_then(|word| word.parse().ok()).ok_or("no-number")?;
    words.drain(at..at + 2);
    Ok(Some(number))
}

fn refused(message: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(message.to_owned()))
}

fn trap() -> ! {
    // There is no message: the panic of a guest is a trap.
    panic!()
}

impl exports::wasi::http::handler::Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let words = path.split_once('?').map_or("", |(_, query)| query).split('&');
        let mut words: Vec<_> = words.filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let length = take(&mut words, "--content-length").map_err(refused)?;
        let trap_after = take(&mut words, "--trap-after").map_err(refused)?;
        let options = Options::parse(words).map_err(refused)?;
        if trap_after == Some(0) {
            trap();
        }

        let (writer, contents) = wit_stream::new();
        let (trailers, answer_trailers) = wit_future::new(|| Ok(None));
        let (consumed, consumption) = wit_future::new(|| Ok(()));
        let (body, request_trailers) = Request::consume_body(request, consumption);
        let headers = Fields::new();
        if let Some(length) = length {
            let value = length.to_string().into_bytes();
            headers.append("content-length", &value).map_err(|_| refused("content-length"))?;
        }
        let (response, sent) = Response::new(headers, Some(contents), answer_trailers);

        wit_bindgen::spawn_local(async move {
            let mut report = Report::default();
            let mut receiving = Reading::new(body, &options);
            let mut sending = Writing::new(writer, &options);
            let mut echoed = 0;
            while let Some(bytes) = receiving.next().await {
                echoed += bytes.len() as u64;
                if !sending.piece(bytes).await {
                    break;
                }
                if trap_after.is_some_and(|after| echoed >= after) {
                    trap();
                }
            }
            let (moved, end, received) = receiving.result(request_trailers).await;
            let (value, received) = match received {
                Ok(fields) => (Ok(()), Ok(fields)),
                Err(error) => (Err(error.clone()), Err(error)),
            };
            report.stream("receive", moved, end, value);
            // Whether the host reads the trailers shows in the result.
            let _ = consumed.write(Ok(())).await;
            let (moved, end, sent) = sending
                .result(async {
                    let _ = trailers.write(received).await;
                    sent.await
                })
                .await;
            report.stream("send", moved, end, sent);
            let _ = report.write().await;
        });
        Ok(response)
    }
}

export!(Service);
