// A task is an asynchronous closure.

/// Acknowledges what waits when the store has delivered what it is about to deliver.
fn after_delivery<D: 'static>(store: StoreContextMut<'_, D>, waiting: Waiting) -> Result<()> {
    let first = async move |accessor: &Accessor<D>| {
        let second = async move |_: &Accessor<D>| {
            waiting.0.acknowledge();
            Ok(())
        };
        accessor.spawn(second).map(drop)
    };
    store.spawn(first).map(drop)
}
