//! `append FILE`: writes stdin to the end of a file.

use guests::{Input, Options, Report, Writing, files, wit_stream};

guests::command!(append);

async fn append(options: Options, report: &mut Report) {
    let Some(path) = options.argument(0) else { return report.fail("options", "no-file") };
    let file = match files::write(path).await {
        Ok(file) => file,
        Err(error) => return report.error("open", error),
    };
    let mut input = Input::stdin(&options);
    let (writer, reader) = wit_stream::new();
    let result = file.append_via_stream(reader);
    let mut output = Writing::new(writer, &options);
    while let Some(bytes) = input.bytes.next().await {
        if !output.piece(bytes).await {
            break;
        }
    }
    input.finish(report).await;
    let (moved, end, result) = output.result(result).await;
    report.stream("append", moved, end, result);
}
