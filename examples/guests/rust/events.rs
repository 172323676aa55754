//! The guest of the example `sse`: an event for every tick.

wit_bindgen::generate!({
    inline: "
        package example:events;
        world events {
            record event { name: string, data: string }
            /// Each tick is a number.
            export events: async func(ticks: stream<u64>) -> stream<event>;
        }
    ",
});
use wit_bindgen::StreamReader;

struct Events;
export!(Events);

impl Guest for Events {
    async fn events(mut ticks: StreamReader<u64>) -> StreamReader<Event> {
        let (mut output, returned) = wit_stream::new();
        // Goes on after the function has returned its stream.
        wit_bindgen::spawn_local(async move {
            let mut sum = 0_u64;
            while let Some(tick) = ticks.next().await {
                sum = sum.wrapping_add(tick);
                let data = format!("{{\"tick\": {tick}, \"sum\": {sum}}}");
                let event = Event { name: "tick".to_owned(), data };
                // What comes back was not taken: the client is gone, and dropping `ticks` says so to the host.
                if output.write_one(event).await.is_some() {
                    break;
                }
            }
        });
        returned
    }
}
