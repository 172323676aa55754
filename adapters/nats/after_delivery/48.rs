// A task implements a trait.

/// Acknowledges what waits when the store has delivered what it is about to deliver.
fn after_delivery<D: 'static>(store: StoreContextMut<'_, D>, waiting: Waiting) -> Result<()> {
    store.spawn(First(waiting)).map(drop)
}

struct First(Waiting);

impl<D: 'static> wasmtime::component::AccessorTask<D> for First {
    fn run(self, accessor: &Accessor<D>) -> impl Future<Output = Result<()>> + Send {
        let second = accessor.spawn(Second(self.0));
        async move { second.map(drop) }
    }
}

struct Second(Waiting);

impl<D: 'static> wasmtime::component::AccessorTask<D> for Second {
    async fn run(self, _: &Accessor<D>) -> Result<()> {
        self.0.0.acknowledge();
        Ok(())
    }
}
