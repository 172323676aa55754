//! The guest of the example `http`: answers with the request's body in upper case, and counts its bytes in a trailer.
//!
//! It panics at what is not ASCII.

wit_bindgen::generate!({
    inline: "
        package example:http;
        world http {
            type fields = list<tuple<string, string>>;
            /// Gets a body and, once that has been read, its trailers. Returns the same for the response.
            export handle: async func(body: stream<u8>, trailers: future<fields>)
                -> tuple<stream<u8>, future<fields>>;
        }
    ",
});
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

struct Http;
export!(Http);

impl Guest for Http {
    async fn handle(
        mut body: StreamReader<u8>,
        trailers: FutureReader<Fields>,
    ) -> (StreamReader<u8>, FutureReader<Fields>) {
        let (mut output, returned) = wit_stream::new();
        let (give_trailers, returned_trailers) = wit_future::new(Fields::new);
        // Goes on after the function has returned both.
        wit_bindgen::spawn_local(async move {
            let mut count = 0;
            loop {
                let (result, mut bytes) = body.read(Vec::with_capacity(64 * 1024)).await;
                assert!(bytes.is_ascii(), "the body is not ASCII");
                count += bytes.len();
                bytes.make_ascii_uppercase();
                // What comes back was not taken: the client is gone.
                let left = output.write_all(bytes).await;
                if result == StreamResult::Dropped || !left.is_empty() {
                    break;
                }
            }
            drop(output);
            let mut fields = trailers.await;
            fields.push(("bytes".to_owned(), count.to_string()));
            let _ = give_trailers.write(fields).await;
        });
        (returned, returned_trailers)
    }
}
