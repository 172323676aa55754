//! The four stream functions of `wasi:filesystem/types`, called by a guest that passes on what it gets.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use futures::channel::oneshot;
use tokio::time::timeout;
use wasmtime::component::{
    Access, Component, FutureReader, Linker, Resource, ResourceTable, StreamReader, TypedFunc,
};
use wasmtime::{AsContextMut as _, Engine, Store};
use wasmtime_streams::wasi::{self, DirectoryEntry, FileError, FileType};
use wasmtime_streams::{from_guest, iterators};
use wasmtime_wasi::filesystem::{
    Descriptor, Dir, File as WasiFile, FsPerms, OpenMode, WasiFilesystemView as _,
};
use wasmtime_wasi::p3::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::Scratch;

struct State {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

type Outcome = Result<(), FileError>;
type This = Resource<Descriptor>;
type Streams<T> = ((StreamReader<T>, FutureReader<Outcome>),);

/// A guest with the file system of Wasmtime, and with these functions in place of its own.
struct World {
    store: Store<State>,
    read: TypedFunc<(This, u64), Streams<u8>>,
    write: TypedFunc<(This, StreamReader<u8>, u64), (FutureReader<Outcome>,)>,
    append: TypedFunc<(This, StreamReader<u8>), (FutureReader<Outcome>,)>,
    list: TypedFunc<(This,), Streams<DirectoryEntry>>,
}

impl World {
    async fn new(preopen: &Path) -> Self {
        let engine = Engine::default();
        let mut linker = Linker::<State>::new(&engine);
        wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
        linker.allow_shadowing(true);
        wasi::files(&mut linker, State::filesystem).unwrap();
        let component = Component::new(&engine, include_str!("functions.wat")).unwrap();
        let mut ctx = WasiCtxBuilder::new();
        ctx.preopened_dir(preopen, "/", FsPerms::ReadWrite).unwrap();
        let state = State { ctx: ctx.build(), table: ResourceTable::new() };
        let mut store = Store::new(&engine, state);
        let guest = linker.instantiate_async(&mut store, &component).await.unwrap();
        Self {
            read: guest.get_typed_func(&mut store, "read").unwrap(),
            write: guest.get_typed_func(&mut store, "write").unwrap(),
            append: guest.get_typed_func(&mut store, "append").unwrap(),
            list: guest.get_typed_func(&mut store, "list").unwrap(),
            store,
        }
    }

    fn open(&mut self, descriptor: Descriptor) -> u32 {
        self.store.data_mut().table.push(descriptor).unwrap().rep()
    }

    fn file(&mut self, file: File) -> u32 {
        let mode = OpenMode::READ | OpenMode::WRITE;
        self.open(Descriptor::File(WasiFile::new(file, FsPerms::ReadWrite, mode, false)))
    }

    async fn read(&mut self, this: u32, offset: u64) -> (Vec<u8>, Outcome) {
        let read = self.read;
        let run = async |accessor: &wasmtime::component::Accessor<State>| {
            let this = Resource::new_borrow(this);
            let ((stream, ended),) = read.call_concurrent(accessor, (this, offset)).await.unwrap();
            let (sink, done) = iterators::collect_bytes(1 << 20).with_completion();
            let ended = accessor.with(|mut access: Access<'_, State>| {
                stream.pipe(access.as_context_mut(), sink).unwrap();
                from_guest::value(access.as_context_mut(), ended).unwrap()
            });
            (done.await.inner.into_inner(), ended.await.unwrap())
        };
        self.store.run_concurrent(run).await.unwrap()
    }

    async fn list(&mut self, this: u32) -> (Vec<DirectoryEntry>, Outcome) {
        let list = self.list;
        let run = async |accessor: &wasmtime::component::Accessor<State>| {
            let this = Resource::new_borrow(this);
            let ((stream, ended),) = list.call_concurrent(accessor, (this,)).await.unwrap();
            let (sink, done) = iterators::collect(1 << 20).with_completion();
            let ended = accessor.with(|mut access: Access<'_, State>| {
                stream.pipe(access.as_context_mut(), sink).unwrap();
                from_guest::value(access.as_context_mut(), ended).unwrap()
            });
            (done.await.inner.into_inner(), ended.await.unwrap())
        };
        self.store.run_concurrent(run).await.unwrap()
    }

    /// Writes at `offset`, or at the end.
    async fn write(&mut self, this: u32, bytes: &[u8], offset: Option<u64>) -> Outcome {
        let (write, append) = (self.write, self.append);
        let data = iterators::items(bytes.to_vec());
        let run = async |accessor: &wasmtime::component::Accessor<State>| {
            let this = Resource::new_borrow(this);
            let data = accessor.with(|access| StreamReader::new(access, data)).unwrap();
            let (ended,) = match offset {
                Some(at) => write.call_concurrent(accessor, (this, data, at)).await,
                None => append.call_concurrent(accessor, (this, data)).await,
            }
            .unwrap();
            accessor.with(|access| from_guest::value(access, ended)).unwrap().await.unwrap()
        };
        self.store.run_concurrent(run).await.unwrap()
    }
}

#[tokio::test]
async fn a_guest_reads_writes_and_appends() {
    let scratch = Scratch::new();
    let mut world = World::new(&scratch.0).await;
    let this = world.file(scratch.file(b"0123456789"));
    assert_eq!(world.read(this, 4).await, (b"456789".to_vec(), Ok(())));
    assert_eq!(world.read(this, 99).await, (Vec::new(), Ok(())));
    assert_eq!(world.read(this, u64::MAX).await, (Vec::new(), Err(FileError::Invalid)));
    assert_eq!(world.write(this, b"ab", Some(8)).await, Ok(()));
    assert_eq!(world.write(this, b"cd", None).await, Ok(()));
    assert_eq!(world.write(this, b"", None).await, Ok(()));
    assert_eq!(fs::read(scratch.0.join("file")).unwrap(), b"01234567abcd");
    let large = vec![7; 700_000];
    assert_eq!(world.write(this, &large, Some(0)).await, Ok(()));
    assert_eq!(world.read(this, 0).await, (large, Ok(())));
}

#[tokio::test]
async fn a_guest_lists_its_preopened_directory() {
    // Wasmtime opens it with `O_PATH` on Linux.
    let scratch = Scratch::new();
    fs::create_dir(scratch.0.join("inner")).unwrap();
    let mut world = World::new(&scratch.0).await;
    let mut preopened = world.store.data_mut().filesystem().get_directories().unwrap();
    let this = preopened.remove(0).0.rep();
    let inner = DirectoryEntry { kind: FileType::Directory, name: "inner".into() };
    for _ in 0..2 {
        assert_eq!(world.list(this).await, (vec![inner.clone()], Ok(())));
    }
}

#[tokio::test]
async fn a_descriptor_of_the_wrong_kind_is_refused() {
    // With the codes of Wasmtime's own host.
    let scratch = Scratch::new();
    let mut world = World::new(&scratch.0).await;
    let directory = File::open(&scratch.0).unwrap();
    let directory = Dir::new(directory, FsPerms::ReadWrite, OpenMode::READ, false);
    let directory = world.open(Descriptor::Dir(directory));
    let file = world.file(scratch.file(b"0"));
    assert_eq!(world.read(directory, 0).await, (Vec::new(), Err(FileError::IsDirectory)));
    for offset in [Some(0), None] {
        let written = world.write(directory, b"x", offset).await;
        assert_eq!(written, Err(FileError::BadDescriptor));
    }
    assert_eq!(world.list(file).await, (Vec::new(), Err(FileError::NotDirectory)));
}

#[tokio::test]
async fn what_may_only_be_read_is_not_written() {
    let scratch = Scratch::new();
    let mut world = World::new(&scratch.0).await;
    // The system would allow it.
    let file = WasiFile::new(scratch.file(b"0"), FsPerms::ReadOnly, OpenMode::READ, false);
    let this = world.open(Descriptor::File(file));
    for offset in [Some(0), None] {
        assert_eq!(world.write(this, b"x", offset).await, Err(FileError::NotPermitted));
    }
    assert_eq!(world.read(this, 0).await, (b"0".to_vec(), Ok(())));
}

#[tokio::test]
async fn the_stream_of_a_refused_write_is_closed() {
    let scratch = Scratch::new();
    let mut world = World::new(&scratch.0).await;
    let file = WasiFile::new(scratch.file(b"0"), FsPerms::ReadOnly, OpenMode::READ, false);
    let this = world.open(Descriptor::File(file));
    let write = world.write;
    let run = async |accessor: &wasmtime::component::Accessor<State>| {
        let (closed, wait) = oneshot::channel::<()>();
        // Holds the sender until the stream is closed.
        let data = iterators::items([0_u8; 9].into_iter().inspect(move |_| {
            let _ = &closed;
        }));
        let data = accessor.with(|access| StreamReader::new(access, data)).unwrap();
        let this = Resource::new_borrow(this);
        let (ended,) = write.call_concurrent(accessor, (this, data, 0)).await.unwrap();
        assert!(wait.await.is_err());
        accessor.with(|access| from_guest::value(access, ended)).unwrap().await.unwrap()
    };
    // A time limit, so that the test fails instead of hanging.
    let run = timeout(Duration::from_secs(60), world.store.run_concurrent(run));
    let outcome = run.await.expect("the stream is not closed").unwrap();
    assert_eq!(outcome, Err(FileError::NotPermitted));
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_full_disk_is_insufficient_space() {
    let scratch = Scratch::new();
    let mut world = World::new(&scratch.0).await;
    let this = world.file(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert_eq!(world.write(this, b"x", Some(0)).await, Err(FileError::InsufficientSpace));
}

#[tokio::test]
async fn a_guest_that_stops_reading_is_no_error() {
    let scratch = Scratch::new();
    let mut world = World::new(&scratch.0).await;
    let this = world.file(scratch.file(&[7; 100]));
    let read = world.read;
    let run = async |accessor: &wasmtime::component::Accessor<State>| {
        let this = Resource::new_borrow(this);
        let ((mut stream, ended),) = read.call_concurrent(accessor, (this, 0)).await.unwrap();
        accessor.with(|mut access| stream.close(&mut access)).unwrap();
        accessor.with(|access| from_guest::value(access, ended)).unwrap().await.unwrap()
    };
    assert_eq!(world.store.run_concurrent(run).await.unwrap(), Ok(()));
}

#[test]
fn a_linker_that_does_not_allow_it_says_what_to_do() {
    let mut linker = Linker::<State>::new(&Engine::default());
    wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
    let error = wasi::files(&mut linker, State::filesystem).unwrap_err();
    assert!(error.to_string().contains("linker.allow_shadowing(true)"), "{error:#}");
}
