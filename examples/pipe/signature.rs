//! Checks a component's exports, and describes them.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};

const EXPECTED: &str = "transform: async func(input: stream<u8>) -> stream<u8>";

/// Fails with the expected and the found exports if `component` does not export `transform`.
pub(crate) fn check(engine: &Engine, component: &Component) -> Result<(), String> {
    let exports = component.component_type();
    let found = match exports.get_export(engine, "transform") {
        Some(export) if is_transform(&export.ty) => return Ok(()),
        Some(export) => format!("`{}`", named("transform", &export.ty, engine)),
        None if exports.exports(engine).len() == 0 => "no exports".to_owned(),
        None => exports
            .exports(engine)
            .map(|(name, export)| format!("`{}`", named(name, &export.ty, engine)))
            .collect::<Vec<_>>()
            .join(", "),
    };
    Err(format!("expected the export `{EXPECTED}`, found {found}"))
}

fn is_transform(item: &ComponentItem) -> bool {
    let ComponentItem::ComponentFunc(func) = item else { return false };
    let is_bytes = |ty: Type| matches!(ty, Type::Stream(ty) if ty.ty() == Some(Type::U8));
    let params: Vec<_> = func.params().map(|(_, ty)| is_bytes(ty)).collect();
    let results: Vec<_> = func.results().map(is_bytes).collect();
    func.async_() && params == [true] && results == [true]
}

fn named(name: &str, item: &ComponentItem, engine: &Engine) -> String {
    let kind = match item {
        ComponentItem::ComponentFunc(func) => func_text(func),
        ComponentItem::ComponentInstance(instance) => {
            let exports = instance.exports(engine);
            let exports: Vec<_> = exports.map(|(name, e)| named(name, &e.ty, engine)).collect();
            format!("instance {{{}}}", exports.join("; "))
        }
        ComponentItem::CoreFunc(_) => "core func".to_owned(),
        ComponentItem::Module(_) => "core module".to_owned(),
        ComponentItem::Component(_) => "component".to_owned(),
        ComponentItem::Type(ty) => format!("type {}", type_text(ty)),
        ComponentItem::Resource(_) => "resource".to_owned(),
    };
    format!("{name}: {kind}")
}

fn func_text(func: &ComponentFunc) -> String {
    let keyword = if func.async_() { "async func" } else { "func" };
    let params: Vec<_> =
        func.params().map(|(name, ty)| format!("{name}: {}", type_text(&ty))).collect();
    let results: String = func.results().map(|ty| format!(" -> {}", type_text(&ty))).collect();
    format!("{keyword}({}){results}", params.join(", "))
}

/// The type as in WIT. A component does not have the names of its types, so a named type shows as its kind.
fn type_text(ty: &Type) -> String {
    let of = |name: &str, ty: Option<Type>| match ty {
        Some(ty) => format!("{name}<{}>", type_text(&ty)),
        None => name.to_owned(),
    };
    let or_none = |ty: Option<Type>| ty.map_or("_".to_owned(), |ty| type_text(&ty));
    let name = match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Record(_) => "record",
        Type::Variant(_) => "variant",
        Type::Enum(_) => "enum",
        Type::Flags(_) => "flags",
        Type::Own(_) => "own",
        Type::Borrow(_) => "borrow",
        Type::Stream(ty) => return of("stream", ty.ty()),
        Type::Future(ty) => return of("future", ty.ty()),
        Type::List(ty) => return of("list", Some(ty.ty())),
        Type::FixedLengthList(ty) => return format!("list<{}, {}>", type_text(&ty.ty()), ty.len()),
        Type::Option(ty) => return of("option", Some(ty.ty())),
        Type::Map(ty) => {
            return format!("map<{}, {}>", type_text(&ty.key()), type_text(&ty.value()));
        }
        Type::Result(ty) => return format!("result<{}, {}>", or_none(ty.ok()), or_none(ty.err())),
        Type::Tuple(ty) => {
            let types: Vec<_> = ty.types().map(|ty| type_text(&ty)).collect();
            return format!("tuple<{}>", types.join(", "));
        }
    };
    name.to_owned()
}
