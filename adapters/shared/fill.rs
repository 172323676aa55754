use std::task::Poll;

use bytes::Buf;

use crate::{EndReason, Then};

/// No further chunk is taken after this many bytes; the core then decides whether to go on.
const FILL_LIMIT: usize = 64 * 1024;

/// Rule "The end goes with the last items": adds the end to an answer if `is_ended` knows that nothing is left.
#[inline]
pub(crate) fn end_known<E>(
    filled: Poll<Result<(usize, Then), E>>,
    is_ended: impl FnOnce() -> bool,
) -> Poll<Result<(usize, Then), E>> {
    match filled {
        Poll::Ready(Ok((n, then))) if !matches!(then, Then::End(_)) => {
            Poll::Ready(Ok((n, if is_ended() { Then::End(EndReason::Finished) } else { then })))
        }
        filled => filled,
    }
}

/// Fills `buf` with what is left of a chunk and with all chunks that are ready, up to [`FILL_LIMIT`].
///
/// An error that comes after bytes is kept in `rest` until the core asks again, which it does at once if there is room.
pub(crate) fn fill<B: Buf, E>(
    buf: &mut [u8],
    rest: &mut Option<Result<B, E>>,
    mut next: impl FnMut() -> Poll<Option<Result<B, E>>>,
) -> Poll<Result<(usize, Then), E>> {
    let most = buf.len().min(FILL_LIMIT);
    let mut filled = 0;
    let mut chunk = match rest.take() {
        Some(rest) => Poll::Ready(Some(rest)),
        None => next(),
    };
    loop {
        let mut bytes = match chunk {
            Poll::Ready(Some(Ok(bytes))) => bytes,
            Poll::Ready(Some(Err(error))) if filled == 0 => return Poll::Ready(Err(error)),
            Poll::Ready(error @ Some(Err(_))) => {
                *rest = error;
                break;
            }
            Poll::Ready(None) => return Poll::Ready(Ok((filled, Then::End(EndReason::Finished)))),
            Poll::Pending if filled == 0 => return Poll::Pending,
            Poll::Pending => return Poll::Ready(Ok((filled, Then::Stop))),
        };
        let (n, room) = (bytes.remaining(), buf.len() - filled);
        if n > room {
            bytes.copy_to_slice(&mut buf[filled..]);
            filled += room;
            *rest = Some(Ok(bytes));
            break;
        }
        bytes.copy_to_slice(&mut buf[filled..filled + n]);
        filled += n;
        if n == 0 || filled >= most {
            break;
        }
        chunk = next();
    }
    Poll::Ready(Ok((filled, Then::More)))
}
