//! The guest of the examples `rows` and `json_lines`: writes the names of the rows that it reads in upper case.

wit_bindgen::generate!({
    inline: "
        package example:rows;
        world rows {
            record row { id: u32, name: string }
            export transform: async func(input: stream<row>) -> stream<row>;
        }
    ",
});
use wit_bindgen::{StreamReader, StreamResult};

struct Rows;
export!(Rows);

impl Guest for Rows {
    async fn transform(mut input: StreamReader<Row>) -> StreamReader<Row> {
        let (mut output, returned) = wit_stream::new();
        // Goes on after the function has returned its stream.
        wit_bindgen::spawn_local(async move {
            loop {
                // A batch, not one row: an operation costs more than a row.
                let (result, mut rows) = input.read(Vec::with_capacity(64)).await;
                for row in &mut rows {
                    row.name = row.name.to_uppercase();
                }
                // What comes back was not taken: the reader is gone.
                let left = output.write_all(rows).await;
                if result == StreamResult::Dropped || !left.is_empty() {
                    break;
                }
            }
        });
        returned
    }
}
