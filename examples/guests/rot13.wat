;; Rotates ASCII letters by thirteen places: a complete guest of the `pipe` example.
;;
;;     cargo run --example pipe -- --guest examples/guests/rot13.wat
;;
;; A guest is a component with one export:
;;
;;     transform: async func(input: stream<u8>) -> stream<u8>
;;
;; It is called once, with the readable end of the input. It makes a stream, returns its readable end, and continues
;; after it has returned: it reads, transforms and writes until the input ends. In other languages the bindings make
;; this an ordinary loop; this file shows the built-ins that they call. To make another guest, change
;; `$transform-buffer`.
(component
  (type $bytes (stream u8))

  ;; The memory has its own module, since the built-ins need it before `$guest` can be instantiated. One page of 64 KiB
  ;; is the buffer: the guest holds no more of the stream than that.
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))

  ;; The component model's built-ins. `async` reads and writes never wait: they return that they are blocked.
  (canon task.return (result $bytes) (core func $task.return))
  (canon backpressure.inc (core func $backpressure.inc))
  (canon backpressure.dec (core func $backpressure.dec))
  (canon waitable-set.new (core func $waitable-set.new))
  (canon waitable-set.drop (core func $waitable-set.drop))
  (canon waitable.join (core func $waitable.join))
  (canon stream.new $bytes (core func $stream.new))
  (canon stream.read $bytes async (memory (core memory $libc "memory")) (core func $stream.read))
  (canon stream.write $bytes async (memory (core memory $libc "memory")) (core func $stream.write))
  (canon stream.drop-readable $bytes (core func $stream.drop-readable))
  (canon stream.drop-writable $bytes (core func $stream.drop-writable))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "task.return" (func $task.return (param i32)))
    (import "host" "backpressure.inc" (func $backpressure.inc))
    (import "host" "backpressure.dec" (func $backpressure.dec))
    (import "host" "waitable-set.new" (func $waitable-set.new (result i32)))
    (import "host" "waitable-set.drop" (func $waitable-set.drop (param i32)))
    (import "host" "waitable.join" (func $waitable.join (param i32 i32)))
    (import "host" "stream.new" (func $stream.new (result i64)))
    (import "host" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "host" "stream.write" (func $stream.write (param i32 i32 i32) (result i32)))
    (import "host" "stream.drop-readable" (func $stream.drop-readable (param i32)))
    (import "host" "stream.drop-writable" (func $stream.drop-writable (param i32)))

    ;; The two ends that this guest holds, and the waitable set to wait for them.
    (global $input (mut i32) (i32.const 0))
    (global $output (mut i32) (i32.const 0))
    (global $set (mut i32) (i32.const 0))
    ;; The bytes of the buffer that are not written yet.
    (global $start (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    ;; Whether the input has ended.
    (global $ended (mut i32) (i32.const 0))

    ;; The export. `task.return` returns the stream to the host; the result of this function is what to do next: 0 to
    ;; exit, or the code of `$wait`.
    (func $transform (export "transform") (param $input i32) (result i32)
      (local $ends i64)
      ;; The state of a call is in globals, so there is one call at a time: others wait until the `dec`.
      (call $backpressure.inc)
      ;; The low half is the readable end, the high half the writable end.
      (local.set $ends (call $stream.new))
      (global.set $input (local.get $input))
      (global.set $output (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (global.set $set (call $waitable-set.new))
      (global.set $start (i32.const 0))
      (global.set $end (i32.const 0))
      (global.set $ended (i32.const 0))
      (call $waitable.join (global.get $input) (global.get $set))
      (call $waitable.join (global.get $output) (global.get $set))
      ;; From here on the host can read, while this call continues.
      (call $task.return (i32.wrap_i64 (local.get $ends)))
      (call $run))

    ;; The callback, for an event in the set: a blocked operation has a result.
    (func $callback (export "callback") (param $event i32) (param $handle i32) (param $result i32) (result i32)
      (if (i32.eq (local.get $event) (i32.const 2 (; stream read ;)))
        (then (call $have-read (local.get $result))))
      (if (i32.eq (local.get $event) (i32.const 3 (; stream write ;)))
        (then (call $have-written (local.get $result))))
      (call $run))

    ;; Reads and writes in turn, until an operation blocks or all is done.
    (func $run (result i32)
      (local $result i32)
      (loop $again
        (if (i32.lt_u (global.get $start) (global.get $end))
          (then
            (local.set $result
              (call $stream.write
                (global.get $output)
                (global.get $start)
                (i32.sub (global.get $end) (global.get $start))))
            (if (i32.eq (local.get $result) (i32.const -1 (; blocked ;)))
              (then (return (call $wait))))
            (call $have-written (local.get $result))
            (br $again)))
        (if (i32.eqz (global.get $ended))
          (then
            (local.set $result
              (call $stream.read (global.get $input) (i32.const 0) (i32.const 65536)))
            (if (i32.eq (local.get $result) (i32.const -1 (; blocked ;)))
              (then (return (call $wait))))
            (call $have-read (local.get $result))
            (br $again))))
      ;; Dropping the writable end ends the stream. It also removes the end from the set.
      (call $stream.drop-readable (global.get $input))
      (call $stream.drop-writable (global.get $output))
      (call $waitable-set.drop (global.get $set))
      (call $backpressure.dec)
      (i32.const 0 (; exit ;)))

    ;; The code that requests a callback at the next event in the set.
    (func $wait (result i32)
      (i32.or (i32.const 2 (; wait ;)) (i32.shl (global.get $set) (i32.const 4))))

    ;; The result of a read or a write is a count above four bits of state. State 0: the other end is open. State 1: it
    ;; was dropped. (State 2 follows a cancel, and this guest never cancels.)
    (func $have-read (param $result i32)
      (global.set $start (i32.const 0))
      (global.set $end (i32.shr_u (local.get $result) (i32.const 4)))
      (call $transform-buffer (global.get $end))
      ;; The last bytes may arrive together with the end.
      (if (i32.and (local.get $result) (i32.const 15))
        (then (global.set $ended (i32.const 1)))))

    (func $have-written (param $result i32)
      ;; The reader may have taken only a part; `$run` writes the rest.
      (global.set $start
        (i32.add (global.get $start) (i32.shr_u (local.get $result) (i32.const 4))))
      ;; The reader left: stop writing and reading.
      (if (i32.and (local.get $result) (i32.const 15))
        (then
          (global.set $start (global.get $end))
          (global.set $ended (i32.const 1)))))

    ;; Transforms the first $length bytes of the buffer in place.
    (func $transform-buffer (param $length i32)
      (local $at i32)
      (local $byte i32)
      (local $place i32)
      (loop $again
        (if (i32.lt_u (local.get $at) (local.get $length))
          (then
            (local.set $byte (i32.load8_u (local.get $at)))
            ;; A letter's index in the alphabet, from 0, in either case; any other byte is 26 or more as an unsigned
            ;; number.
            (local.set $place
              (i32.sub (i32.or (local.get $byte) (i32.const 0x20)) (i32.const 0x61 (; a ;))))
            ;; Add 13 to the first half of the alphabet, subtract it from the second, keep all else. `select` avoids a
            ;; branch that the processor could not predict: it makes this several times faster.
            (i32.store8
              (local.get $at)
              (i32.add
                (local.get $byte)
                (select
                  (select
                    (i32.const 13)
                    (i32.const -13)
                    (i32.lt_u (local.get $place) (i32.const 13)))
                  (i32.const 0)
                  (i32.lt_u (local.get $place) (i32.const 26)))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $again))))))

  (core instance $guest (instantiate $guest
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "task.return" (func $task.return))
      (export "backpressure.inc" (func $backpressure.inc))
      (export "backpressure.dec" (func $backpressure.dec))
      (export "waitable-set.new" (func $waitable-set.new))
      (export "waitable-set.drop" (func $waitable-set.drop))
      (export "waitable.join" (func $waitable.join))
      (export "stream.new" (func $stream.new))
      (export "stream.read" (func $stream.read))
      (export "stream.write" (func $stream.write))
      (export "stream.drop-readable" (func $stream.drop-readable))
      (export "stream.drop-writable" (func $stream.drop-writable))))))

  ;; `async` with a callback: the function returns to the host instead of waiting on its own stack.
  (func (export "transform") async (param "input" $bytes) (result $bytes)
    (canon lift (core func $guest "transform") async (callback (core func $guest "callback")))))
