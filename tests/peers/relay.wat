;; Passes items on. Reads up to `read` items at a time, and writes up to `write` at a time.
;;
;; examples/guests/rot13.wat explains a guest of this kind.
(component
  (type $items (stream u32))

  (core module $libc (memory (export "memory") 2))
  (core instance $libc (instantiate $libc))

  (canon task.return (result $items) (core func $task.return))
  (canon waitable-set.new (core func $waitable-set.new))
  (canon waitable-set.drop (core func $waitable-set.drop))
  (canon waitable.join (core func $waitable.join))
  (canon stream.new $items (core func $stream.new))
  (canon stream.read $items async (memory (core memory $libc "memory")) (core func $stream.read))
  (canon stream.write $items async (memory (core memory $libc "memory")) (core func $stream.write))
  (canon stream.drop-readable $items (core func $stream.drop-readable))
  (canon stream.drop-writable $items (core func $stream.drop-writable))

  (core module $guest
    (import "host" "task.return" (func $task.return (param i32)))
    (import "host" "waitable-set.new" (func $waitable-set.new (result i32)))
    (import "host" "waitable-set.drop" (func $waitable-set.drop (param i32)))
    (import "host" "waitable.join" (func $waitable.join (param i32 i32)))
    (import "host" "stream.new" (func $stream.new (result i64)))
    (import "host" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "host" "stream.write" (func $stream.write (param i32 i32 i32) (result i32)))
    (import "host" "stream.drop-readable" (func $stream.drop-readable (param i32)))
    (import "host" "stream.drop-writable" (func $stream.drop-writable (param i32)))

    (global $input (mut i32) (i32.const 0))
    (global $output (mut i32) (i32.const 0))
    (global $set (mut i32) (i32.const 0))
    (global $read (mut i32) (i32.const 0))
    (global $write (mut i32) (i32.const 0))
    ;; Which items of the buffer are not written yet.
    (global $start (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    ;; Set once nothing more is to be read.
    (global $ended (mut i32) (i32.const 0))

    (func (export "relay") (param $input i32) (param $read i32) (param $write i32) (result i32)
      (local $ends i64)
      (local.set $ends (call $stream.new))
      (global.set $input (local.get $input))
      (global.set $output (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (global.set $read (local.get $read))
      (global.set $write (local.get $write))
      (global.set $set (call $waitable-set.new))
      (call $waitable.join (global.get $input) (global.get $set))
      (call $waitable.join (global.get $output) (global.get $set))
      (call $task.return (i32.wrap_i64 (local.get $ends)))
      (call $run))

    (func (export "callback") (param $event i32) (param $handle i32) (param $result i32) (result i32)
      (if (i32.eq (local.get $event) (i32.const 2 (; stream read ;)))
        (then (call $have-read (local.get $result))))
      (if (i32.eq (local.get $event) (i32.const 3 (; stream write ;)))
        (then (call $have-written (local.get $result))))
      (call $run))

    ;; Reads and writes until an operation blocks or everything is done.
    (func $run (result i32)
      (local $result i32) (local $count i32)
      (loop $again
        (if (i32.lt_u (global.get $start) (global.get $end))
          (then
            (local.set $count (i32.sub (global.get $end) (global.get $start)))
            (if (i32.gt_u (local.get $count) (global.get $write))
              (then (local.set $count (global.get $write))))
            (local.set $result
              (call $stream.write (global.get $output)
                (i32.shl (global.get $start) (i32.const 2)) (local.get $count)))
            (if (i32.eq (local.get $result) (i32.const -1 (; blocked ;)))
              (then (return (call $wait))))
            (call $have-written (local.get $result))
            (br $again)))
        (if (i32.eqz (global.get $ended))
          (then
            (local.set $result
              (call $stream.read (global.get $input) (i32.const 0) (global.get $read)))
            (if (i32.eq (local.get $result) (i32.const -1 (; blocked ;)))
              (then (return (call $wait))))
            (call $have-read (local.get $result))
            (br $again))))
      (call $stream.drop-readable (global.get $input))
      (call $stream.drop-writable (global.get $output))
      (call $waitable-set.drop (global.get $set))
      (i32.const 0 (; exit ;)))

    (func $wait (result i32)
      (i32.or (i32.const 2 (; wait ;)) (i32.shl (global.get $set) (i32.const 4))))

    (func $have-read (param $result i32)
      (global.set $start (i32.const 0))
      (global.set $end (i32.shr_u (local.get $result) (i32.const 4)))
      (if (i32.and (local.get $result) (i32.const 15 (; the other end is gone ;)))
        (then (global.set $ended (i32.const 1)))))

    (func $have-written (param $result i32)
      (global.set $start
        (i32.add (global.get $start) (i32.shr_u (local.get $result) (i32.const 4))))
      (if (i32.and (local.get $result) (i32.const 15 (; the other end is gone ;)))
        (then
          (global.set $start (global.get $end))
          (global.set $ended (i32.const 1))))))

  (core instance $guest (instantiate $guest
    (with "host" (instance
      (export "task.return" (func $task.return))
      (export "waitable-set.new" (func $waitable-set.new))
      (export "waitable-set.drop" (func $waitable-set.drop))
      (export "waitable.join" (func $waitable.join))
      (export "stream.new" (func $stream.new))
      (export "stream.read" (func $stream.read))
      (export "stream.write" (func $stream.write))
      (export "stream.drop-readable" (func $stream.drop-readable))
      (export "stream.drop-writable" (func $stream.drop-writable))))))

  (func (export "relay") async
    (param "input" $items) (param "read" u32) (param "write" u32) (result $items)
    (canon lift (core func $guest "relay") async (callback (core func $guest "callback")))))
