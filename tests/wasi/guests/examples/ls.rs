//! `ls [DIRECTORY]`: prints the names in a directory, sorted, each with its type.

use guests::{Options, Output, Reading, Report, files, report::name};

guests::command!(ls);

async fn ls(options: Options, report: &mut Report) {
    let directory = match files::read(options.argument(0).unwrap_or(".")).await {
        Ok(directory) => directory,
        Err(error) => return report.error("open", error),
    };
    let (stream, result) = directory.read_directory();
    let mut entries = Reading::new(stream, &options);
    let mut lines = Vec::new();
    while let Some(batch) = entries.next().await {
        lines.extend(
            batch.into_iter().map(|entry| format!("{} {}\n", entry.name, name(&entry.type_))),
        );
    }
    let (moved, end, result) = entries.result(result).await;
    report.items("list", moved, end, Some(result));
    lines.sort();
    let mut output = Output::stdout(&options);
    output.text(&lines.concat()).await;
    output.finish(report).await;
}
