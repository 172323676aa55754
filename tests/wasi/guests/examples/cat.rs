//! `cat [FILE]`: writes stdin, or a file, to stdout.

use guests::{Input, Options, Output, Report};

guests::command!(cat);

async fn cat(options: Options, report: &mut Report) {
    let Some(mut input) = Input::of(&options, report).await else { return };
    let mut output = Output::stdout(&options);
    while let Some(bytes) = input.bytes.next().await {
        if !output.piece(bytes).await {
            break;
        }
    }
    input.finish(report).await;
    output.finish(report).await;
}
