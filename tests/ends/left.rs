//! The receiver behind a sink leaves before the guest ends its stream in order.

use wasmtime_streams::EndReason::{Finished, ReceiverDropped};
use wasmtime_streams::StoreToken;
use wasmtime_streams_testing::{Setup, executor};

use crate::adapters::SINKS;
use crate::cells::Completes;
use crate::host::{Host, poll_once};
use crate::made::Plan;
use crate::rows::{Can, Leaves, Row};
use crate::table::Kind;

#[test]
fn a_receiver_that_leaves_early_is_the_end_though_the_guest_finishes() {
    // Rule "Completion": the guest's result future gets this end.
    let host = Host::new();
    let _entered = host.enter();
    let has_receiver = |row: &&Row| {
        row.leaves == Leaves::Is(ReceiverDropped) && !row.can.contains(&Can::StandInAStore)
    };
    let mut ends = Vec::new();
    for row in SINKS.iter().filter(has_receiver) {
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
            assert_eq!(ended, [Finished], "{}: `ended` of the sink", row.name);
            poll_once(given.done.as_mut().unwrap()).await.expect("the completion is pending").end
        });
        ends.push((row.name, script.0.expect("stalled").unwrap()));
    }
    assert!(ends.len() > 5);
    assert!(ends.iter().all(|(_, end)| *end == ReceiverDropped), "{ends:?}");
}
