//! The guest of the example `nats_workers`: writes the text of each message in upper case.

wit_bindgen::generate!({
    inline: "
        package example:work;
        world work {
            record message { subject: string, payload: list<u8> }
            export work: async func(input: stream<message>) -> stream<message>;
        }
    ",
});
use wit_bindgen::{StreamReader, StreamResult};

struct Work;
export!(Work);

impl Guest for Work {
    async fn work(mut input: StreamReader<Message>) -> StreamReader<Message> {
        let (mut output, returned) = wit_stream::new();
        // Goes on after the function has returned its stream.
        wit_bindgen::spawn_local(async move {
            loop {
                // What is there, up to a batch.
                let (result, mut messages) = input.read(Vec::with_capacity(16)).await;
                for message in &mut messages {
                    // A guest with a fault: it traps on what is no text, with all that it has taken.
                    let text = str::from_utf8(&message.payload).unwrap();
                    message.payload = text.to_uppercase().into_bytes();
                }
                // What comes back was not taken: the reader is gone.
                let left = output.write_all(messages).await;
                if result == StreamResult::Dropped || !left.is_empty() {
                    break;
                }
            }
        });
        returned
    }
}
