//! `lines [FILE]`: prints how many lines stdin, or a file, has.

use guests::{Input, Options, Output, Report};

guests::command!(lines);

async fn lines(options: Options, report: &mut Report) {
    let Some(mut input) = Input::of(&options, report).await else { return };
    let mut lines = 0_u64;
    while let Some(bytes) = input.bytes.next().await {
        lines += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    }
    input.finish(report).await;
    let mut output = Output::stdout(&options);
    output.text(&format!("{lines}\n")).await;
    output.finish(report).await;
}
