//! The item types of the guest that handles items with handles in them.

use wasmtime::component::{ComponentType, FutureReader, Lift, Lower, Resource, StreamReader};

use crate::support::guest::Connection;

/// The item type of a guest's stream.
pub trait Wire: ComponentType + Lift + Lower + Send + Sync + 'static {
    /// In the text format. `$bytes`, `$value` and `$item` are the types of the handles.
    const TYPE: &'static str;
}

macro_rules! wire {
    ($($ty:ty: $text:literal;)*) => { $(
        impl Wire for $ty {
            const TYPE: &'static str = $text;
        }
    )* };
}

/// A nested stream, and a record with one.
pub type Bytes = StreamReader<u8>;
pub type Record = (u32, Bytes, FutureReader<u32>);

wire! {
    u32: "u32";
    Bytes: "$bytes";
    FutureReader<u32>: "$value";
    Resource<Connection>: "(own $item)";
    (Bytes, Vec<u64>): "(tuple $bytes (list u64))";
    (u32, String): "(tuple u32 string)";
    (u32, Resource<Connection>): "(tuple u32 (own $item))";
    Record: "(tuple u32 $bytes $value)";
    Option<Bytes>: "(option $bytes)";
    Vec<Bytes>: "(list $bytes)";
}

/// The kind of stream or future that an operation is for: of items, or of what can be in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Of {
    /// `stream<ITEM>`
    Items = 1,
    /// `stream<u8>`
    Bytes = 2,
    /// `future<u32>`
    Value = 3,
    /// `future<ITEM>`
    Item = 4,
}

pub fn wat(item: &str) -> String {
    let kinds = [(1, "s", "stream"), (2, "b", "stream"), (3, "v", "future"), (4, "f", "future")];
    let (mut canon, mut imports, mut exports, mut ops) = Default::default();
    let line = |to: &mut String, text: String| {
        to.push_str(&text);
        to.push('\n');
    };
    for (n, name, kind) in kinds {
        let len = if kind == "stream" { "i32" } else { "" };
        let arg = if kind == "stream" { "(local.get $c)" } else { "" };
        let memory =
            r#"async (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))"#;
        let mut add = |op: &str, options: &str, ty: &str, call: String| {
            let id = format!("{name}.{op}");
            line(&mut canon, format!("(core func ${id} (canon {kind}.{op} ${name} {options}))"));
            line(&mut imports, format!(r#"(import "host" "{id}" (func ${id} {ty}))"#));
            line(&mut exports, format!(r#"(export "{id}" (func ${id}))"#));
            line(&mut ops, call);
        };
        let when = |op: u32, then: String| {
            let op = n * 10 + op;
            format!("(if (i32.eq (local.get $op) (i32.const {op})) (then {then}))")
        };
        let set = |call: String| format!("(local.set $r0 {call})");
        let (read, write) = (format!("${name}.read"), format!("${name}.write"));
        let ty = format!("(param i32 i32 {len}) (result i32)");
        let both = "(local.get $a) (local.get $b)";
        add("read", memory, &ty, when(1, set(format!("(call {read} {both} {arg})"))));
        add("write", memory, &ty, when(2, set(format!("(call {write} {both} {arg})"))));
        let one = "(param i32) (result i32)";
        for (op, built_in) in [(3, "cancel-read"), (4, "cancel-write")] {
            let call = set(format!("(call ${name}.{built_in} (local.get $a))"));
            add(built_in, "", one, when(op, call));
        }
        for (op, built_in) in [(5, "drop-readable"), (6, "drop-writable")] {
            let call = format!("(call ${name}.{built_in} (local.get $a))");
            add(built_in, "", "(param i32)", when(op, call));
        }
        let new = format!(
            "(local.set $pair (call ${name}.new))
             (local.set $r0 (i32.wrap_i64 (local.get $pair)))
             (local.set $r1 (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))"
        );
        add("new", "", "(result i64)", when(7, new));
    }
    for (op, name, ty, call) in [
        (8, "get-stream", "(result i32)", "(local.set $r0 (call $get-stream))"),
        (9, "give-stream", "(param i32)", "(call $give-stream (local.get $a))"),
        (48, "get-future", "(result i32)", "(local.set $r0 (call $get-future))"),
        (49, "give-future", "(param i32)", "(call $give-future (local.get $a))"),
        (38, "item.drop", "(param i32)", "(call $item.drop (local.get $a))"),
    ] {
        line(&mut imports, format!(r#"(import "host" "{name}" (func ${name} {ty}))"#));
        line(&mut exports, format!(r#"(export "{name}" (func ${name}))"#));
        line(&mut ops, format!("(if (i32.eq (local.get $op) (i32.const {op})) (then {call}))"));
    }
    include_str!("handles_guest.wat")
        .replace("ITEM", item)
        .replace("CANON", &canon)
        .replace("IMPORTS", &imports)
        .replace("EXPORTS", &exports)
        .replace("OPERATIONS", &ops)
}
