//! `copy FROM TO`: writes one file to another, which is replaced, or with `--at N` overwritten from there.

use guests::{Input, Options, Report, Writing, files, wit_stream};

guests::command!(copy);

async fn copy(options: Options, report: &mut Report) {
    let (Some(from), Some(to)) = (options.argument(0), options.argument(1)) else {
        return report.fail("options", "no-file");
    };
    let Some(mut input) = Input::file(from, &options, report).await else { return };
    let opened = if options.at == 0 { files::replace(to).await } else { files::write(to).await };
    let file = match opened {
        Ok(file) => file,
        Err(error) => return report.error("open", error),
    };
    let (writer, reader) = wit_stream::new();
    let result = file.write_via_stream(reader, options.at);
    let mut output = Writing::new(writer, &options);
    while let Some(bytes) = input.bytes.next().await {
        if !output.piece(bytes).await {
            break;
        }
    }
    input.finish(report).await;
    let (moved, end, result) = output.result(result).await;
    report.stream("write", moved, end, result);
}
