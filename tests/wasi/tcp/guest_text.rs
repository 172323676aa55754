//! The text of the guest, made from a table of the interface's functions.

/// The interface's functions: name, parameters after the socket, their core types, result, how the result comes.
const FUNCTIONS: &[(&str, &str, &str, &str, bool)] = &[
    ("[method]tcp-socket.bind", ADDR, ADDR_CORE, "(result (error $ec))", true),
    ("[method]tcp-socket.connect", ADDR, ADDR_CORE, "(result (error $ec))", true),
    ("[method]tcp-socket.listen", "", "", "(result $sockets (error $ec))", true),
    ("[method]tcp-socket.send", "(param \"data\" $bytes)", "i32", "$ended", false),
    ("[method]tcp-socket.receive", "", "", "(tuple $bytes $ended)", true),
    ("[method]tcp-socket.get-local-address", "", "", "(result $addr (error $ec))", true),
    ("[method]tcp-socket.get-remote-address", "", "", "(result $addr (error $ec))", true),
    ("[method]tcp-socket.get-is-listening", "", "", "bool", false),
    ("[method]tcp-socket.get-address-family", "", "", "$family", false),
    (
        "[method]tcp-socket.set-listen-backlog-size",
        "(param \"value\" u64)",
        "i64",
        "(result (error $ec))",
        true,
    ),
    ("[method]tcp-socket.get-keep-alive-enabled", "", "", "(result bool (error $ec))", true),
    (
        "[method]tcp-socket.set-keep-alive-enabled",
        "(param \"value\" bool)",
        "i32",
        "(result (error $ec))",
        true,
    ),
    ("[method]tcp-socket.get-keep-alive-idle-time", "", "", "(result u64 (error $ec))", true),
    (
        "[method]tcp-socket.set-keep-alive-idle-time",
        "(param \"value\" u64)",
        "i64",
        "(result (error $ec))",
        true,
    ),
    ("[method]tcp-socket.get-keep-alive-interval", "", "", "(result u64 (error $ec))", true),
    (
        "[method]tcp-socket.set-keep-alive-interval",
        "(param \"value\" u64)",
        "i64",
        "(result (error $ec))",
        true,
    ),
    ("[method]tcp-socket.get-keep-alive-count", "", "", "(result u32 (error $ec))", true),
    (
        "[method]tcp-socket.set-keep-alive-count",
        "(param \"value\" u32)",
        "i32",
        "(result (error $ec))",
        true,
    ),
    ("[method]tcp-socket.get-hop-limit", "", "", "(result u8 (error $ec))", true),
    (
        "[method]tcp-socket.set-hop-limit",
        "(param \"value\" u8)",
        "i32",
        "(result (error $ec))",
        true,
    ),
    ("[method]tcp-socket.get-receive-buffer-size", "", "", "(result u64 (error $ec))", true),
    (
        "[method]tcp-socket.set-receive-buffer-size",
        "(param \"value\" u64)",
        "i64",
        "(result (error $ec))",
        true,
    ),
    ("[method]tcp-socket.get-send-buffer-size", "", "", "(result u64 (error $ec))", true),
    (
        "[method]tcp-socket.set-send-buffer-size",
        "(param \"value\" u64)",
        "i64",
        "(result (error $ec))",
        true,
    ),
];
const ADDR: &str = "(param \"address\" $addr)";
const ADDR_CORE: &str = "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32";

fn parameter(name: &str, params: &str) -> String {
    match name {
        "[method]tcp-socket.bind" => params.replace("address", "local-address"),
        "[method]tcp-socket.connect" => params.replace("address", "remote-address"),
        _ => params.to_owned(),
    }
}

/// The guest, in text.
pub(super) fn text() -> String {
    let (mut imports, mut lowers, mut core, mut with, mut exports) =
        (String::new(), String::new(), String::new(), String::new(), String::new());
    let mut shims = String::new();
    for (name, params, core_params, result, by_pointer) in FUNCTIONS {
        let short = name.rsplit('.').next().unwrap();
        let kind = if short == "connect" { "async" } else { "" };
        let params = parameter(name, params);
        imports += &format!(
            "(export \"{name}\" (func {kind} (param \"self\" (borrow $s)) {params} (result {result})))\n"
        );
        lowers += &format!(
            "(core func ${short} (canon lower (func $types \"{name}\") \
             (memory (core memory $libc \"memory\")) (realloc (core func $libc \"realloc\"))))\n"
        );
        let (pointer, returned) = if *by_pointer { ("i32", "") } else { ("", "(result i32)") };
        core += &format!(
            "(import \"host\" \"{short}\" (func ${short} (param i32 {core_params} {pointer}) {returned}))\n"
        );
        let count = 1 + core_params.split_whitespace().count();
        let args: String = (0..count).map(|i| format!("(local.get {i})")).collect();
        let call = match by_pointer {
            true => format!(
                "(call ${short} {args} (i32.const 256)) (call $drop (local.get 0)) (i32.const 256)"
            ),
            false => format!("(call ${short} {args}) (call $drop (local.get 0))"),
        };
        shims +=
            &format!("(func (export \"{short}\") (param i32 {core_params}) (result i32) {call})\n");
        with += &format!("(export \"{short}\" (func ${short}))\n");
        exports += &format!(
            "(func (export \"{short}\") async (param \"self\" (borrow $s)) {params} (result {result})\n\
             (canon lift (core func $m \"{short}\") (memory (core memory $libc \"memory\"))))\n"
        );
    }
    include_str!("guest.wat")
        .replace("IMPORTS", &imports)
        .replace("LOWERS", &lowers)
        .replace("CORE", &core)
        .replace("SHIMS", &shims)
        .replace("WITH", &with)
        .replace("EXPORTS", &exports)
}
