//! Bodies in wasi-http's own types, without a server: what this crate's `body` adds to them.

use std::future::{poll_fn, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::http::Request;
use tokio::sync::oneshot;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{End, EndReason, body};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p3::{self, bindings::ServicePre};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

struct Data(ResourceTable, WasiCtx, WasiHttpCtx, Hooks);

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.1, table: &mut self.0 }
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.2, table: &mut self.0, hooks: &mut self.3 }
    }
}

struct Hooks;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(hyper::Response<WasiBody>, Io), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(&mut self, _: Request<WasiBody>, _: Option<RequestOptions>, _: Io) -> Sent {
        Box::new(ready(Err(Error::HttpRequestDenied)))
    }
}

static ECHO: LazyLock<ServicePre<Data>> = LazyLock::new(|| {
    let engine = Engine::default();
    let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/wasi/guests/http-echo.wasm");
    let mut linker = Linker::<Data>::new(&engine);
    wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
    p3::add_to_linker(&mut linker).unwrap();
    let component = Component::from_file(&engine, guest).unwrap();
    ServicePre::new(linker.instantiate_pre(&component).unwrap()).unwrap()
});

/// Runs the guest in a task. Gives the body of its response, and a receiver that resolves if it ran to its end.
async fn run<B>(query: &str, body: B) -> (WasiBody, oneshot::Receiver<()>)
where
    B: http_body::Body<Data = Bytes, Error: Into<Error>> + Send + 'static,
{
    let request = Request::post(format!("http://x/{query}")).body(body).unwrap();
    let (give, given) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    tokio::spawn(async move {
        let data =
            Data(ResourceTable::new(), WasiCtx::builder().build(), WasiHttpCtx::new(), Hooks);
        let mut store = Store::new(ECHO.engine(), data);
        let service = ECHO.instantiate_async(&mut store).await?;
        let (request, _) = p3::Request::from_http(&mut Hooks, request);
        let run = store.run_concurrent(async |store| {
            let response = service.handle(store, request).await?.unwrap();
            let response = store.with(|store| response.into_http(store, ready(Ok(()))))?;
            give.send(response.into_body()).unwrap();
            poll_fn(|cx| store.poll_no_interesting_tasks(cx)).await;
            wasmtime::error::Ok(())
        });
        run.await??;
        let _ = end.send(());
        wasmtime::error::Ok(())
    });
    (given.await.unwrap(), ended)
}

fn full(bytes: &'static str) -> impl http_body::Body<Data = Bytes, Error = Error> {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {})
}

/// As the example has it.
fn whole(
    response: WasiBody,
    ended: oneshot::Receiver<()>,
) -> impl http_body::Body<Data = Bytes, Error = End<Arc<Error>>> {
    let (data, trailers) = body::read(response).with_trailers();
    data.into_body().with_trailers(async move {
        let trailers = trailers.await?;
        ended.await.map(|()| trailers).map_err(|_| End::Abandoned)
    })
}

#[tokio::test]
async fn a_trap_ends_the_body_of_wasi_http_in_order_and_this_crates_with_a_cut() {
    // Rule "Truncated is never complete".
    let (response, _) = run("?--buffer&3&--trap-after&3", full("hello")).await;
    assert_eq!(response.collect().await.unwrap().to_bytes(), "hel"); // as if it were all

    let (response, ended) = run("?--buffer&3&--trap-after&3", full("hello")).await;
    let end = Box::pin(whole(response, ended)).collect().await.unwrap_err();
    assert_eq!(end.reason(), EndReason::Abandoned);

    let (response, ended) = run("?--buffer&3", full("hello")).await;
    assert_eq!(Box::pin(whole(response, ended)).collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn a_response_that_nobody_reads_holds_the_request_up() {
    // Rule "Backpressure": of 64 MiB only what fits between the two bodies is taken.
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let frames = stream::repeat_with(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Error>(Frame::data(Bytes::from(vec![7; 64 * 1024])))
    });
    let request = body::read(StreamBody::new(frames.take(1024)));
    let request = request.into_body().map_err(|_| Error::HttpProtocolError);
    let (response, ended) = run("?--buffer&65536", request).await;
    let mut response = Box::pin(whole(response, ended));
    let mut read = 0;
    for _ in 0..5 {
        read += response.frame().await.unwrap().unwrap().into_data().unwrap().len();
        // Whatever can run now does: this runtime has one thread.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let ahead = taken.load(Ordering::Relaxed) * 64 * 1024 - read;
        assert!(ahead <= 8 * 64 * 1024, "{ahead} bytes ahead of the reader");
    }
}

#[tokio::test]
async fn the_response_of_one_guest_is_the_request_of_another() {
    let (one, ended) = run("", full("hello")).await;
    let one = whole(one, ended).map_err(|_| Error::ConnectionTerminated);
    let (two, ended) = run("?--buffer&2", one).await;
    assert_eq!(Box::pin(whole(two, ended)).collect().await.unwrap().to_bytes(), "hello");

    // A cut of the first one is an error to the second, which passes it on.
    let (one, ended) = run("?--buffer&3&--trap-after&3", full("hello")).await;
    let one = whole(one, ended).map_err(|_| Error::ConnectionTerminated);
    let (two, ended) = run("", one).await;
    let end = Box::pin(whole(two, ended)).collect().await.unwrap_err();
    assert!(matches!(end, End::Failed(error) if matches!(*error, Error::ConnectionTerminated)));
}
