// ASCII letters in upper case, as upper.wat does it, in C: writes what it reads until the input ends.
//
// `./rebuild` makes ../upper-c.wasm of it.
#include "upper.h"

static uint8_t buffer[64 * 1024];
static upper_stream_u8_t input;
static upper_stream_u8_writer_t output;
static upper_waitable_set_t set;
// The bytes of the buffer that are not written yet, and whether there is more to read.
static size_t start, end;
static bool ended;

static void have_read(upper_waitable_status_t status) {
    start = 0;
    end = UPPER_WAITABLE_COUNT(status);
    for (size_t at = 0; at < end; at++) {
        if (buffer[at] >= 'a' && buffer[at] <= 'z') buffer[at] -= 'a' - 'A';
    }
    // The last bytes may come together with the end.
    ended = UPPER_WAITABLE_STATE(status) == UPPER_WAITABLE_DROPPED;
}

static void have_written(upper_waitable_status_t status) {
    start += UPPER_WAITABLE_COUNT(status); // the reader may have taken only a part
    if (UPPER_WAITABLE_STATE(status) == UPPER_WAITABLE_DROPPED) {
        start = end; // the reader has left
        ended = true;
    }
}

// Reads and writes in turn until an operation blocks, or all is done.
static upper_callback_code_t run(void) {
    while (start < end || !ended) {
        bool writing = start < end;
        upper_waitable_status_t status = writing
            ? upper_stream_u8_write(output, buffer + start, end - start)
            : upper_stream_u8_read(input, buffer, sizeof buffer);
        if (status == UPPER_WAITABLE_STATUS_BLOCKED) return UPPER_CALLBACK_CODE_WAIT(set);
        if (writing) have_written(status); else have_read(status);
    }
    upper_stream_u8_drop_readable(input);
    upper_stream_u8_drop_writable(output); // ends the stream
    upper_waitable_set_drop(set);
    upper_backpressure_dec();
    return UPPER_CALLBACK_CODE_EXIT;
}

upper_callback_code_t exports_upper_transform(upper_stream_u8_t readable) {
    upper_backpressure_inc(); // the state of a call is in globals: others wait until the end of this one
    input = readable;
    upper_stream_u8_t returned = upper_stream_u8_new(&output);
    set = upper_waitable_set_new();
    start = end = 0;
    ended = false;
    upper_waitable_join(input, set);
    upper_waitable_join(output, set);
    exports_upper_transform_return(returned); // from here on the host can read, while this call goes on
    return run();
}

upper_callback_code_t exports_upper_transform_callback(upper_event_t *event) {
    if (event->event == UPPER_EVENT_STREAM_READ) have_read(event->code);
    if (event->event == UPPER_EVENT_STREAM_WRITE) have_written(event->code);
    return run();
}
