//! A service that answers with the body and the trailers of the request. The query of the request has the options, as
//! `?--buffer&1&--zero`.

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

impl exports::wasi::http::handler::Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let words = path.split_once('?').map_or("", |(_, query)| query).split('&');
        let words = words.filter(|word| !word.is_empty()).map(str::to_owned);
        let options = Options::parse(words)
            .map_err(|message| ErrorCode::InternalError(Some(message.to_owned())))?;

        let (writer, contents) = wit_stream::new();
        let (trailers, answer_trailers) = wit_future::new(|| Ok(None));
        let (consumed, consumption) = wit_future::new(|| Ok(()));
        let (body, request_trailers) = Request::consume_body(request, consumption);
        let (response, sent) = Response::new(Fields::new(), Some(contents), answer_trailers);

        wit_bindgen::spawn_local(async move {
            let mut report = Report::default();
            let mut receiving = Reading::new(body, &options);
            let mut sending = Writing::new(writer, &options);
            while let Some(bytes) = receiving.next().await {
                if !sending.piece(bytes).await {
                    break;
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
