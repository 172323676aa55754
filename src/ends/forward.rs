//! The methods that a combinator hands on unchanged. Each is named where it is handed on, so that what is missing shows: a
//! default that is left in place would be a silent fault.

/// In an `impl ByteSource` or `impl ItemSource` over `inner: S`.
macro_rules! forward_source {
    ($($method:ident),*) => {
        $($crate::ends::forward::forward_source!(@ $method);)*
    };
    (@ signals) => {
        fn signals(&self, signals: &mut $crate::Signals) {
            self.inner.signals(signals);
        }
    };
    (@ poll_readable) => {
        fn poll_readable(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Option<Poll<Result<(), Self::Error>>> {
            self.project().inner.poll_readable(cx)
        }
    };
    (@ stream_ended) => {
        fn stream_ended(self: Pin<&mut Self>, cut: Option<$crate::Why>) {
            self.project().inner.stream_ended(cut);
        }
    };
    (@ ended) => {
        fn ended(self: Pin<&mut Self>, delivered: Result<(), $crate::Undelivered>) {
            self.project().inner.ended(delivered);
        }
    };
}

/// In an `impl ByteSink` or `impl ItemSink` over `inner: S`.
macro_rules! forward_sink {
    ($($method:ident),*) => {
        $($crate::ends::forward::forward_sink!(@ $method);)*
    };
    (@ signals) => {
        fn signals(&self, signals: &mut $crate::Signals) {
            self.inner.signals(signals);
        }
    };
    (@ poll_writable) => {
        fn poll_writable(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Option<Poll<Result<(), Halt<Self::Error>>>> {
            self.project().inner.poll_writable(cx)
        }
    };
    (@ op_cancelled) => {
        fn op_cancelled(self: Pin<&mut Self>) {
            self.project().inner.op_cancelled();
        }
    };
    (@ stream_ended) => {
        fn stream_ended(self: Pin<&mut Self>, cut: Option<$crate::Why>) {
            self.project().inner.stream_ended(cut);
        }
    };
    (@ flush_policy) => {
        fn flush_policy(&mut self, policy: $crate::Flush) {
            self.inner.flush_policy(policy);
        }
    };
    (@ delivery_failed) => {
        fn delivery_failed(self: Pin<&mut Self>, error: wasmtime::Error) {
            self.project().inner.delivery_failed(error);
        }
    };
    // Flushing and closing.
    (@ $method:ident) => {
        fn $method(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<Self::Error>>> {
            self.project().inner.$method(cx)
        }
    };
}

pub(crate) use {forward_sink, forward_source};
