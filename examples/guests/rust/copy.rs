//! The guest of the example `host_import`: copies a file of the host's, with a number before each line.

wit_bindgen::generate!({
    inline: "
        package example:copy;
        interface files {
            /// The content, and whether it came to its end.
            open: async func(name: string) -> result<tuple<stream<u8>, future<result<_, string>>>, string>;
            /// Resolves when the content is in the file.
            save: async func(name: string, content: stream<u8>) -> result<future<result<_, string>>, string>;
        }
        world copy {
            import files;
            /// The number of lines.
            export copy: async func(source: string, target: string) -> result<u64, string>;
        }
    ",
});
use example::copy::files::{open, save};
use wit_bindgen::StreamResult;

struct Copy;
export!(Copy);

impl Guest for Copy {
    async fn copy(source: String, target: String) -> Result<u64, String> {
        let (mut input, read) = open(source).await?;
        let (mut output, content) = wit_stream::new();
        let saved = save(target, content).await?;

        let (mut lines, mut at_start) = (0, true);
        loop {
            let (result, bytes) = input.read(Vec::with_capacity(16 * 1024)).await;
            let mut numbered = Vec::new();
            for byte in bytes {
                if at_start {
                    lines += 1;
                    numbered.extend(format!("{lines:>6}  ").bytes());
                }
                at_start = byte == b'\n';
                numbered.push(byte);
            }
            let left = output.write_all(numbered).await;
            if result == StreamResult::Dropped || !left.is_empty() {
                break;
            }
        }
        // The end of the content. A stream does not tell an end from a failure: the futures do.
        drop(output);
        read.await?;
        saved.await?;
        Ok(lines)
    }
}
