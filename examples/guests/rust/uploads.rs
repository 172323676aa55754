//! The guest of the example `multipart`: counts the lines of text files, and leaves other files unread.

wit_bindgen::generate!({
    inline: "
        package example:uploads;
        world uploads {
            record file { name: string, content: stream<u8> }
            /// A line of text for each file.
            export describe: async func(files: stream<file>) -> stream<string>;
        }
    ",
});
use wit_bindgen::StreamReader;

struct Uploads;
export!(Uploads);

impl Guest for Uploads {
    async fn describe(mut files: StreamReader<File>) -> StreamReader<String> {
        let (mut output, returned) = wit_stream::new();
        // Goes on after the function has returned its stream.
        wit_bindgen::spawn_local(async move {
            while let Some(File { name, content }) = files.next().await {
                let line = if name.ends_with(".txt") {
                    let (lines, bytes) = count(content).await;
                    format!("{name}: {lines} lines, {bytes} bytes\n")
                } else {
                    // Dropping its stream tells the host that nobody wants the rest.
                    drop(content);
                    format!("{name}: not a .txt file, left unread\n")
                };
                if output.write_one(line).await.is_some() {
                    break;
                }
            }
        });
        returned
    }
}

async fn count(mut content: StreamReader<u8>) -> (usize, usize) {
    let (mut lines, mut bytes) = (0, 0);
    loop {
        let (result, part) = content.read(Vec::with_capacity(16 * 1024)).await;
        lines += part.iter().filter(|&&byte| byte == b'\n').count();
        bytes += part.len();
        if result == wit_bindgen::StreamResult::Dropped {
            return (lines, bytes);
        }
    }
}
