;; Upper-cases the text of messages, and copies binary ones: reads a batch of its input, and writes it to its output.
;; rot13.wat explains the rest in more words.
(component
  (type $m (variant (case "text" string) (case "binary" (list u8))))
  (export $message "message" (type $m))
  (type $messages (stream $message))

  ;; 64 items of 12 bytes, and from the second page on what they point to: room for 64 messages of 64 KiB.
  (core module $libc (memory (export "memory") 66)
    (global $heap (export "heap") (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
      (global.get $heap)
      (global.set $heap (i32.add (global.get $heap) (local.get 3)))))
  (core instance $libc (instantiate $libc))

  (canon task.return (result $messages) (core func $task.return))
  (canon backpressure.inc (core func $backpressure.inc))
  (canon backpressure.dec (core func $backpressure.dec))
  (canon waitable-set.new (core func $waitable-set.new))
  (canon waitable-set.drop (core func $waitable-set.drop))
  (canon waitable.join (core func $waitable.join))
  (canon stream.new $messages (core func $stream.new))
  (canon stream.read $messages async (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")) (core func $stream.read))
  (canon stream.write $messages async (memory (core memory $libc "memory")) (core func $stream.write))
  (canon stream.drop-readable $messages (core func $stream.drop-readable))
  (canon stream.drop-writable $messages (core func $stream.drop-writable))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "libc" "heap" (global $heap (mut i32)))
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

    ;; The stream's two ends that this guest holds, and the set in which it waits for them.
    (global $input (mut i32) (i32.const 0))
    (global $output (mut i32) (i32.const 0))
    (global $set (mut i32) (i32.const 0))
    ;; The items of the buffer that are still to be written.
    (global $start (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    ;; Nothing more is to be read.
    (global $ended (mut i32) (i32.const 0))

    (func $transform (export "transform") (param $input i32) (result i32)
      (local $ends i64)
      ;; The state is in globals: a second call has to wait.
      (call $backpressure.inc)
      (local.set $ends (call $stream.new))
      (global.set $input (local.get $input))
      (global.set $output (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (global.set $set (call $waitable-set.new))
      (global.set $start (i32.const 0))
      (global.set $end (i32.const 0))
      (global.set $ended (i32.const 0))
      (call $waitable.join (global.get $input) (global.get $set))
      (call $waitable.join (global.get $output) (global.get $set))
      ;; The host gets the readable end; this call goes on.
      (call $task.return (i32.wrap_i64 (local.get $ends)))
      (call $run))

    (func $callback (export "callback") (param $event i32) (param $handle i32) (param $result i32) (result i32)
      (if (i32.eq (local.get $event) (i32.const 2 (; stream read ;)))
        (then (call $have-read (local.get $result))))
      (if (i32.eq (local.get $event) (i32.const 3 (; stream write ;)))
        (then (call $have-written (local.get $result))))
      (call $run))

    ;; Reads and writes until an operation blocks, or all is done.
    (func $run (result i32)
      (local $result i32)
      (loop $again
        (if (i32.lt_u (global.get $start) (global.get $end))
          (then
            (local.set $result
              (call $stream.write (global.get $output) (i32.mul (global.get $start) (i32.const 12))
                (i32.sub (global.get $end) (global.get $start))))
            (if (i32.eq (local.get $result) (i32.const -1 (; blocked ;)))
              (then (return (call $wait))))
            (call $have-written (local.get $result))
            (br $again)))
        (if (i32.eqz (global.get $ended))
          (then
            (global.set $heap (i32.const 65536))
            (local.set $result
              (call $stream.read (global.get $input) (i32.const 0) (i32.const 64)))
            (if (i32.eq (local.get $result) (i32.const -1 (; blocked ;)))
              (then (return (call $wait))))
            (call $have-read (local.get $result))
            (br $again))))
      (call $stream.drop-readable (global.get $input))
      (call $stream.drop-writable (global.get $output))
      (call $waitable-set.drop (global.get $set))
      (call $backpressure.dec)
      (i32.const 0 (; exit ;)))

    (func $wait (result i32)
      (i32.or (i32.const 2 (; wait ;)) (i32.shl (global.get $set) (i32.const 4))))

    ;; A read's result: a count, above four bits that tell whether the other end is still there.
    (func $have-read (param $result i32)
      (global.set $start (i32.const 0))
      (global.set $end (i32.shr_u (local.get $result) (i32.const 4)))
      (call $transform-buffer (global.get $end))
      ;; The last items may come together with the end of the stream.
      (if (i32.and (local.get $result) (i32.const 15))
        (then (global.set $ended (i32.const 1)))))

    (func $have-written (param $result i32)
      ;; The reader may have taken only a part.
      (global.set $start
        (i32.add (global.get $start) (i32.shr_u (local.get $result) (i32.const 4))))
      ;; The reader is gone: nobody wants what is left, nor what could still be read.
      (if (i32.and (local.get $result) (i32.const 15))
        (then
          (global.set $start (global.get $end))
          (global.set $ended (i32.const 1)))))

    ;; Item `i` is at 12 * i: its case in one byte, and at 4 and 8 the address and length of its data.
    (func $transform-buffer (param $count i32)
      (local $item i32) (local $at i32) (local $end i32) (local $letter i32)
      (loop $items
        (if (i32.eqz (local.get $count))
          (then (return)))
        (if (i32.eqz (i32.load8_u (local.get $item)) (; text ;))
          (then
            (local.set $at (i32.load (i32.add (local.get $item) (i32.const 4))))
            (local.set $end (i32.add (local.get $at) (i32.load (i32.add (local.get $item) (i32.const 8)))))
            (block $done
              (loop $letters
                (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
                (local.set $letter (i32.load8_u (local.get $at)))
                (if (i32.lt_u (i32.sub (local.get $letter) (i32.const 97 (; a ;))) (i32.const 26))
                  (then (i32.store8 (local.get $at) (i32.sub (local.get $letter) (i32.const 32)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br $letters)))))
        (local.set $item (i32.add (local.get $item) (i32.const 12)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $items))))

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

  (func (export "transform") async (param "input" $messages) (result $messages)
    (canon lift (core func $guest "transform") async (callback (core func $guest "callback")))))
