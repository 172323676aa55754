//! Who receives what a sink hands on has left, and only then does the guest end its stream in order.

use wasmtime_streams::EndReason::{Finished, ReceiverDropped};
use wasmtime_streams::StoreToken;
use wasmtime_streams_testing::{Setup, executor};

use crate::adapters::{Can, Leaves, SINKS};
use crate::cells::Completes;
use crate::host::{Host, look};
use crate::made::Plan;
use crate::table::Kind;

#[test]
fn data_that_nobody_has_received_has_not_come_to_its_end() {
    // Rule "Completion": a result future of the guest's says so.
    let host = Host::new();
    let _entered = host.enter();
    let told = |row: &&crate::adapters::Row| {
        row.leaves == Leaves::Is(ReceiverDropped) && !row.can.contains(&Can::StandInAStore)
    };
    let mut said = Vec::new();
    for row in SINKS.iter().filter(told) {
        let script = Setup::new(StoreToken::new()).run::<u8, _>(async |guest| {
            let plan = Plan::new(Kind::OtherSideLeaves, Completes::Kept, false);
            let mut open = (row.make)(&host, &plan);
            let (reader, stream) = guest.stream().await;
            let mut given = guest.with(|store| (open.give)(store, Some(reader)));
            assert_eq!(guest.write(stream, 1).await.count(), 1, "{}", row.name);
            open.peer.leave();
            guest.drop_writable(stream).await;
            executor::idle().await;
            let ended = open.seen.unwrap().lock().unwrap().ended.clone();
            assert_eq!(ended, [Finished], "{}: the guest has ended its stream", row.name);
            look(given.done.as_mut().unwrap()).await.expect("it has ended").end
        });
        said.push((row.name, script.0.expect("nothing waits for ever").unwrap()));
    }
    assert!(said.len() > 5);
    assert!(said.iter().all(|(_, end)| *end == ReceiverDropped), "{said:?}");
}
