//! The item types that the scripted guest supports, and their layout in its memory.

use std::fmt;

use wasmtime::component::{ComponentType, FutureReader, Lift, Lower, Resource, StreamReader};

/// The part of the guest's memory that holds what items own.
#[derive(Debug)]
pub struct Heap {
    at: u32,
    bytes: Vec<u8>,
}

impl Heap {
    pub(super) fn new(at: u32) -> Self {
        Self::with(at, Vec::new())
    }

    pub(super) fn with(at: u32, bytes: Vec<u8>) -> Self {
        Self { at, bytes }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes at the address `at`; `None` if they are not in this part.
    pub fn get(&self, at: u32, len: u32) -> Option<&[u8]> {
        let from = at.checked_sub(self.at)? as usize;
        self.bytes.get(from..)?.get(..len as usize)
    }

    /// Appends `bytes`, and returns their address.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        let at = self.at + self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        at
    }
}

/// Items that a [`Guest`](super::Guest) can read and write.
///
/// Implemented for integers, strings, `tuple<u32, string>`, `result<_, u32>`, resources, and streams and futures of
/// `u8` and `u32`. A record of your own takes a few lines:
///
/// ```
/// use wasmtime::component::{ComponentType, Lift, Lower, Resource};
/// use wasmtime_streams_testing::{self as testing, Heap, Item, Made};
///
/// #[derive(Clone, Debug, PartialEq, ComponentType, Lift, Lower)]
/// #[component(record)]
/// struct Row { id: u32, name: String }
///
/// impl Item for Row {
///     type Value = Row;
///     const TYPE: &str = "$row";
///     // Named types come in by an import of the type.
///     const PRELUDE: &str = r#"
///         (type $plain-row (record (field "id" u32) (field "name" string)))
///         (import "row" (type $row (eq $plain-row)))"#;
///     const SIZE: u32 = 12;
///
///     fn store(row: &Row, heap: &mut Heap, out: &mut Vec<u8>) {
///         u32::store(&row.id, heap, out);
///         String::store(&row.name, heap, out);
///     }
///
///     fn load(bytes: &[u8], heap: &Heap) -> Option<Row> {
///         Some(Row { id: u32::load(&bytes[..4], heap)?, name: String::load(&bytes[4..], heap)? })
///     }
/// }
/// // `wasmtime_streams_testing::producer(rows, || Made::new(..))` checks a `stream<row>` now.
/// ```
pub trait Item: ComponentType + Lift + Lower + Send + Sync + 'static {
    /// What a test compares: the item itself, if it can be cloned and compared.
    type Value: Clone + PartialEq + fmt::Debug + 'static;

    /// The type, in the text format of components.
    const TYPE: &'static str;

    /// The declarations that [`Item::TYPE`] needs in the component.
    const PRELUDE: &'static str = "";

    /// The size of an item in the guest's memory in bytes, without what it owns on the heap.
    const SIZE: u32;

    /// Defines `$item.drop` in the component, which drops a handle if the items are handles.
    const DROP: &'static str = r#"
        (core module $no-drop (func (export "drop") (param i32) unreachable))
        (core instance $no-drop (instantiate $no-drop))
        (alias core export $no-drop "drop" (core func $item.drop))"#;

    /// Defines `$item.new`, `$item.write` and `$item.close` in the component, if an item is the readable end of a
    /// stream that a guest can make: they are `stream.new`, `stream.write` and `stream.drop-writable` of its type. The
    /// guest then makes the items that it writes, and checks at the end that none of them was left open. Other items
    /// that hold handles come from [`Check::gives`](super::Check::gives).
    const MAKE: Option<&'static str> = None;

    /// The value does not identify the item, as with a handle: values are counted, not compared.
    const OPAQUE: bool = false;

    /// Appends the item's bytes in memory to `out`.
    fn store(value: &Self::Value, heap: &mut Heap, out: &mut Vec<u8>);

    /// Reads an item of [`Item::SIZE`] bytes; `None` if it is invalid.
    fn load(bytes: &[u8], heap: &Heap) -> Option<Self::Value>;

    /// The handle of an [opaque](Item::OPAQUE) value.
    fn handle(value: &Self::Value) -> Option<u32> {
        let _ = value;
        None
    }
}

macro_rules! scalar {
    ($($ty:ty: $name:literal),*) => {$(
        impl Item for $ty {
            type Value = Self;
            const TYPE: &'static str = $name;
            const SIZE: u32 = size_of::<$ty>() as u32;

            fn store(value: &Self, _: &mut Heap, out: &mut Vec<u8>) {
                out.extend_from_slice(&value.to_le_bytes());
            }

            fn load(bytes: &[u8], _: &Heap) -> Option<Self> {
                Some(<$ty>::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

scalar!(u8: "u8", u16: "u16", u32: "u32", u64: "u64", i32: "s32", i64: "s64");

impl Item for String {
    type Value = Self;
    const TYPE: &'static str = "string";
    const SIZE: u32 = 8;

    fn store(value: &Self, heap: &mut Heap, out: &mut Vec<u8>) {
        let at = heap.put(value.as_bytes());
        u32::store(&at, heap, out);
        u32::store(&(value.len() as u32), heap, out);
    }

    fn load(bytes: &[u8], heap: &Heap) -> Option<Self> {
        let (at, len) = bytes.split_at_checked(4)?;
        let text = heap.get(u32::load(at, heap)?, u32::load(len, heap)?)?;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// The value of the future beside a stream in many interfaces.
impl Item for Result<(), u32> {
    type Value = Self;
    const TYPE: &'static str = "(result (error u32))";
    const SIZE: u32 = 8;

    fn store(value: &Self, heap: &mut Heap, out: &mut Vec<u8>) {
        u32::store(&value.is_err().into(), heap, out);
        u32::store(&value.err().unwrap_or(0), heap, out);
    }

    fn load(bytes: &[u8], heap: &Heap) -> Option<Self> {
        // The bytes after the discriminant are padding, with whatever was there before.
        match bytes.split_first()? {
            (0, _) => Some(Ok(())),
            (1, _) => Some(Err(u32::load(bytes.get(4..)?, heap)?)),
            _ => None,
        }
    }
}

/// A small record that owns heap data.
impl Item for (u32, String) {
    type Value = Self;
    const TYPE: &'static str = "(tuple u32 string)";
    const SIZE: u32 = 12;

    fn store((id, name): &Self, heap: &mut Heap, out: &mut Vec<u8>) {
        u32::store(id, heap, out);
        String::store(name, heap, out);
    }

    fn load(bytes: &[u8], heap: &Heap) -> Option<Self> {
        let (id, name) = bytes.split_at_checked(4)?;
        Some((u32::load(id, heap)?, String::load(name, heap)?))
    }
}

/// The part that is the same for all items that are handles.
macro_rules! handle {
    () => {
        const SIZE: u32 = 4;
        const OPAQUE: bool = true;

        fn store(handle: &u32, heap: &mut Heap, out: &mut Vec<u8>) {
            u32::store(handle, heap, out);
        }

        fn load(bytes: &[u8], heap: &Heap) -> Option<u32> {
            u32::load(bytes, heap)
        }

        fn handle(value: &u32) -> Option<u32> {
            Some(*value)
        }
    };
}

macro_rules! ends {
    ($($ty:ty: $name:literal),*) => {$(
        /// A handle; its value is its index in the guest's table.
        impl Item for StreamReader<$ty> {
            type Value = u32;
            const TYPE: &'static str = "$inner";
            const PRELUDE: &'static str = concat!("(type $inner (stream ", $name, "))");
            const DROP: &'static str = "(core func $item.drop (canon stream.drop-readable $inner))";
            const MAKE: Option<&'static str> = Some(
                r#"(core func $item.new (canon stream.new $inner))
                (core func $item.write (canon stream.write $inner async
                    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
                (core func $item.close (canon stream.drop-writable $inner))"#,
            );
            handle!();
        }

        /// A handle; its value is its index in the guest's table.
        impl Item for FutureReader<$ty> {
            type Value = u32;
            const TYPE: &'static str = "$inner";
            const PRELUDE: &'static str = concat!("(type $inner (future ", $name, "))");
            const DROP: &'static str = "(core func $item.drop (canon future.drop-readable $inner))";
            handle!();
        }
    )*};
}

ends!(u8: "u8", u32: "u32");

/// A handle; its value is its index in the guest's table. The test [links](super::Setup::link) the resource as `item`.
impl<R: Send + Sync + 'static> Item for Resource<R> {
    type Value = u32;
    const TYPE: &'static str = "(own $item)";
    const PRELUDE: &'static str = r#"(import "item" (type $item (sub resource)))"#;
    const DROP: &'static str = "(core func $item.drop (canon resource.drop $item))";
    handle!();
}
