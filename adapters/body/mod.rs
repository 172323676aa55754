//! HTTP bodies, of hyper, axum or anything else that uses the `http-body` crate, and their trailers.
//!
//! Needs the feature `http-body`.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
//! | a body that the host has received, or made | reads a `stream<u8>` | [`read`](read()) |
//! | its trailers | reads a `future<T>` | [`with_trailers`](crate::ByteProducer::with_trailers) of its producer |
//! | a server or client that wants a body | writes a `stream<u8>` | [`from_guest`](from_guest()) |
//! | a body that wants trailers | writes a `future<T>` | [`trailers_from_guest`](trailers_from_guest()) |
//! | a producer, where a body is wanted | gets the body by another interface | [`into_body`](crate::ByteProducer::into_body) |
//!
//! Take [`from_guest`](from_guest()) rather than [`from_guest::reader`](crate::from_guest::reader()) and a body made of
//! that: it holds the guest to a content length, and a cut becomes an error that makes hyper abort the message.
//!
//! # Examples
//!
//! A request's body to the guest, up to a limit:
//!
//! ```
//! use http_body_util::Full;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{body, iterators};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # let request = http::Request::new(Full::new(&b"hello"[..]));
//! let mut store = Store::new(&Engine::default(), ());
//! let producer = body::read(request.into_body()).limit(1024 * 1024);
//! let stream = StreamReader::new(&mut store, producer)?; // a guest's argument
//!
//! # let (bytes, done) = iterators::collect_bytes(100).with_completion();
//! # stream.pipe(&mut store, bytes)?;
//! # let done = store.run_concurrent(async |_| done.await).await?;
//! # assert_eq!(done.inner.into_inner(), b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! A guest's output as a response's body. The body can be read on any task while the store runs:
//!
//! ```
//! use http_body_util::BodyExt as _;
//! # use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::body;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # let mut store = Store::new(&Engine::default(), ());
//! # let output = StreamReader::new(&mut store, wasmtime_streams::iterators::items(*b"hello"))?;
//! let (consumer, body) = body::from_guest(64 * 1024, Some(5)); // the capacity, and a content length
//! output.pipe(&mut store, consumer)?; // `output` is a guest's `stream<u8>`
//! let response = http::Response::new(body); // for hyper or axum
//!
//! let body = store.run_concurrent(async |_| response.into_body().collect().await).await?;
//! assert_eq!(body?.to_bytes(), "hello");
//! # Ok(())
//! # }
//! ```
//!
//! A handler of axum: the request through a guest to the response, which goes out while the guest runs. What can fail comes
//! before [`from_guest`](from_guest()), so that it is an answer of its own; afterwards a failure or a trap aborts the message:
//!
//! ```
//! use axum::{body::Body, extract::State, http::StatusCode, response::{IntoResponse as _, Response}};
//! use wasmtime::component::{InstancePre, StreamReader};
//! use wasmtime_streams::{body, transform};
//!
//! async fn upper(State(guest): State<InstancePre<()>>, request: Body) -> Response {
//!     let mut store = wasmtime::Store::new(guest.engine(), ());
//!     let function = async {
//!         let guest = guest.instantiate_async(&mut store).await?;
//!         guest.get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")
//!     };
//!     let function = match function.await {
//!         Ok(function) => function,
//!         Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
//!     };
//!     let input = body::read(request).limit(1024 * 1024);
//!     let (output, response) = body::from_guest(64 * 1024, None);
//!     tokio::spawn(async move {
//!         let call = async |store: &_, input| Ok(function.call_concurrent(store, (input,)).await?.0);
//!         let done = transform(&mut store, input, output, call).await;
//!         eprintln!("{} bytes in, {} out, {:?}", done.input.moved, done.output.moved, done.result);
//!     });
//!     Response::new(Body::new(response))
//! }
//! # fn router(guest: InstancePre<()>) -> axum::Router {
//! #     axum::Router::new().route("/", axum::routing::post(upper)).with_state(guest)
//! # }
//! ```
//!
//! # With wasi-http
//!
//! `wasmtime-wasi-http` has bodies of its own for `wasi:http`, and takes and gives any [`Body`](http_body::Body):
//! `Request::from_http` takes what [`into_body`](crate::ByteProducer::into_body) makes of [`read`](read()) with a limit and
//! timeouts, and [`read`](read()) takes what `Response::into_http` gives. The error of a request's body reaches the guest as
//! the `error-code` beside the trailers. Two things to know:
//!
//! - In `wasmtime-wasi-http` 48 a guest that traps ends the body of its response in order, unless that has a content length.
//!   Let the body end only when the guest has, by trailers that wait for it: the example does.
//! - A limit of `n` also ends a request of exactly `n` bytes, so give the limit one byte more than you allow.
//!
//! The package `wasi_http` in the folder `examples` of the repository is a server that does all of this.
//!
//! ```
//! use http_body_util::{BodyExt as _, Full};
//! use wasmtime_streams::{EndReason, body};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let request = http::Request::new(Full::new(&b"hello"[..]));
//! let request = request.map(|request| {
//!     let (data, trailers) = body::read(request).with_trailers();
//!     data.limit(1024 + 1).into_body().with_trailers(trailers)
//! });
//! // `Request::from_http` wants `.map_err(…)` to its own error. `end.reason()` says which: `LimitReached`, `TimedOut`, …
//! assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "hello");
//! # let long = body::read(Full::new(&b"hello"[..])).limit(3).into_body();
//! # assert_eq!(long.collect().await.unwrap_err().reason(), EndReason::LimitReached);
//! # }
//! ```

mod from_guest;
mod into_body;
mod read;
mod trailers;

pub use self::from_guest::{BodyError, GuestBody, GuestBodySink, NoTrailers, from_guest};
pub use self::into_body::{HostBody, NoHostTrailers};
pub use self::read::{Read, Trailers, read};
pub use self::trailers::{GuestTrailers, TrailersSink, trailers_from_guest};
