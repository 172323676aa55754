//! A guest that goes on with an end after it was told that the other one is gone.

use crate::support::adapters::{sinks, sources};
use crate::support::guest::{Code, with_trapping_guest};
use crate::support::script::{Script, Step, Writer};

#[test]
fn a_read_after_the_end_traps_and_does_not_reach_the_source() {
    // Rule "No traps, no panics": the trap is Wasmtime's own.
    for source in sources() {
        for len in [0, 4] {
            // A scripted reader panics if it is polled after its end.
            with_trapping_guest::<u8, _>(async |guest| {
                let (install, done) = source.make(Script::new([Step::Data(vec![1, 2, 3])]));
                let reader = guest.with(install);
                let stream = guest.take(reader).await;
                while !matches!(guest.read(stream, 4).await, Code::Dropped(_)) {}
                let (end, moved) = done.await;
                assert!(end.is_finished() && moved == 3, "{}: {moved}", source.name);
                guest.read(stream, len).await;
                panic!("{}: the guest goes on after a read of {len}", source.name);
            });
        }
    }
}

#[test]
fn a_write_after_the_end_traps_and_does_not_reach_the_sink() {
    // Rule "No traps, no panics": the trap is Wasmtime's own.
    for sink in sinks() {
        let writer = Writer::new(Script::new([Step::Accept(2), Step::Fail]));
        let log = writer.log();
        let writes = || log.look(|written| written.writes);
        let before = std::cell::Cell::new(0);
        let trap = with_trapping_guest::<u8, _>(async |guest| {
            let (pipe, done) = sink.make(writer);
            let (reader, writable) = guest.stream().await;
            guest.with(|store| pipe(store, reader));
            while !matches!(guest.send(writable, &[1, 2]).await, Code::Dropped(_)) {}
            let (end, _) = done.await;
            assert!(!end.is_finished(), "{}", sink.name);
            before.set(writes());
            guest.write(writable, 1).await;
            panic!("{}: the guest goes on", sink.name);
        });
        assert_eq!(writes(), before.get(), "{}: {trap:?}", sink.name);
    }
}
