//! Calls that make two things, and fail at the second. The first is cleaned up, and the guest's write is answered.

use futures::FutureExt as _;
use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut as _, Engine, Result, Store, StoreContextMut};
use wasmtime_streams::{End, completion::Drive, iterators, relay, sinks, tokio_io};

use crate::support::guest::{Code, World, with_guest};
use crate::support::script::{Log, Script, Writer};

/// More table entries than any call here needs.
const ROOM: usize = 40;

fn store() -> Store<()> {
    Store::new(&Engine::default(), ())
}

#[test]
fn a_relay_of_a_closed_stream_leaves_nothing_in_the_other_store() {
    // Rule "Bounded memory": the new reader in the second store is closed, not only dropped.
    let (mut one, mut two) = (store(), store());
    for _ in 0..3 {
        let mut stream = StreamReader::new(&mut one, iterators::items([1_u8])).unwrap();
        stream.close(&mut one).unwrap();
        assert!(relay::bytes(&mut one, stream, &mut two, 64, |_| {}).is_err());
        let mut stream = StreamReader::new(&mut one, iterators::items([1_u32])).unwrap();
        stream.close(&mut one).unwrap();
        assert!(relay::items(&mut one, stream, &mut two, 64, |item: u32| item).is_err());
    }
    let left = two.as_context_mut().concurrent_state_table_size();
    assert_eq!(left, 0, "entries in the second store's table");
}

/// Gives a guest's stream to `fail`. If that fails, returns the answer to the guest's next write.
fn answered<R>(
    fail: impl FnOnce(StoreContextMut<'_, World>, StreamReader<u8>) -> Result<R>,
) -> Option<Code> {
    let mut code = None;
    with_guest::<u8, _>(async |guest| {
        let (stream, writable) = guest.stream().await;
        let failed = guest.with(|store| fail(store, stream));
        if failed.is_ok() {
            return;
        }
        code = Some(match guest.write(writable, 3).await {
            Code::Blocked => {
                let mut wait = Box::pin(guest.wait(writable));
                guest.parked(&mut wait).await.unwrap_or(Code::Blocked)
            }
            code => code,
        });
    });
    code
}

#[test]
fn a_relay_into_a_full_store_ends_the_first_guests_stream() {
    // Rule "Completion": otherwise the guest's write never returns.
    let mut failed = 0;
    for room in 0..ROOM {
        let full = || {
            let mut two = store();
            two.concurrent_resource_table().unwrap().set_max_capacity(room);
            two
        };
        let bytes = answered(|one, stream| relay::bytes(one, stream, full(), 64, |_| {}));
        let items = answered(|one, stream| relay::items(one, stream, full(), 64, |item: u8| item));
        for code in [bytes, items].into_iter().flatten() {
            assert_eq!(code, Code::Dropped(0), "room for {room}");
            failed += 1;
        }
    }
    assert!(failed > 0);
}

/// Runs `run` with the store's table limited to `room` more entries.
fn in_full<R>(
    mut store: StoreContextMut<'_, World>,
    room: usize,
    run: impl FnOnce(StoreContextMut<'_, World>) -> R,
) -> R {
    let table = store.concurrent_resource_table().unwrap();
    let most = table.max_capacity();
    table.set_max_capacity(room);
    let result = run(store.as_context_mut());
    store.concurrent_resource_table().unwrap().set_max_capacity(most);
    result
}

#[test]
fn a_duplex_in_a_full_store_ends_the_guests_stream() {
    // Rule "Completion".
    let mut failed = 0;
    for room in 0..ROOM {
        let code = answered(|store, stream| {
            in_full(store, room, |store| tokio_io::duplex(store, stream, 64))
        });
        if let Some(code) = code {
            assert_eq!(code, Code::Dropped(0), "room for {room}");
            failed += 1;
        }
    }
    assert!(failed > 0);
}

fn map<E>(_: End<E>) -> Result<(), u32> {
    Ok(())
}

/// Polls the task once, and drops it.
fn drive(drive: Drive) {
    drive.now_or_never();
}

#[test]
fn a_sink_whose_result_future_cannot_be_made_ends_the_guests_stream() {
    // Rule "Completion": the call failed, so the stream must not go on.
    type Fails = fn(StoreContextMut<'_, World>, StreamReader<u8>, Writer<u8>) -> Result<()>;
    let rows: [(&str, Fails); 4] = [
        ("bytes", |store, stream, writer| {
            tokio_io::write(writer).pipe_wit(store, stream, map).map(drop)
        }),
        ("items", |store, stream, writer| {
            sinks::items(writer).pipe_wit(store, stream, map).map(drop)
        }),
        ("bytes, driven", |store, stream, writer| {
            tokio_io::write(writer).pipe_wit_on(store, stream, drive, map).map(drop)
        }),
        ("items, driven", |store, stream, writer| {
            sinks::items(writer).pipe_wit_on(store, stream, drive, map).map(drop)
        }),
    ];
    let mut wrong = Vec::new();
    for (name, fails) in rows {
        let mut failed = 0;
        for room in 0..ROOM {
            let writer = Writer::new(Script::new([]));
            let log: Log<u8> = writer.log();
            let code = answered(|store, stream| {
                in_full(store, room, |store| fails(store, stream, writer))
            });
            let Some(code) = code else { continue };
            failed += 1;
            let written = log.accepted().len();
            if code != Code::Dropped(0) || written != 0 {
                wrong.push(format!("{name}, room for {room}: {code:?}, {written} written"));
            }
        }
        assert!(failed > 0, "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_splice_into_a_full_store_drops_the_source() {
    // Rule "Splice": the source is lost, as documented, and nothing of it is kept.
    let (mut one, mut two) = (store(), store());
    two.concurrent_resource_table().unwrap().set_max_capacity(0);
    let (near, mut far) = tokio::io::duplex(8);
    let stream = StreamReader::new(&mut one, tokio_io::read(near).spliceable()).unwrap();
    let spliced = relay::splice::<wasmtime_streams::tokio_io::Read<tokio::io::DuplexStream>>(
        &mut one, stream, &mut two,
    );
    assert!(spliced.expect("the stream can be spliced").is_err());
    let written = tokio::io::AsyncWriteExt::write_all(&mut far, b"lost").now_or_never();
    assert!(written.unwrap().is_err(), "the reader was not dropped");
}
