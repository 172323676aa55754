;; Performs the host's commands one by one, and reports the result of each.
;;
;; The words in capitals are replaced before it is compiled. `next` passes the result of the last command to the host
;; and waits for the next one: (operation, a, b, c, bytes). guest.rs sends the operations' numbers.
(component
  PRELUDE
  (import "next" (func $next async
    (param "r0" u32) (param "r1" u32) (param "r2" u32)
    (result (tuple u32 u32 u32 u32 (list u8)))))
  (import "dump" (func $dump (param "bytes" (list u8))))
  (import "get-stream" (func $get-stream (result (stream ITEM))))
  (import "give-stream" (func $give-stream (param "s" (stream ITEM))))
  (import "get-future" (func $get-future (result (future ITEM))))
  (import "give-future" (func $give-future (param "f" (future ITEM))))
  (type $s (stream ITEM))
  (type $f (future ITEM))

  (core module $libc
    (memory (export "memory") PAGES)
    ;; Below 64 KiB: results of built-ins. Up to 16 MiB: the host's allocations. Above: the script's buffer.
    (global $top (export "top") (mut i32) (i32.const 0x10000))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $top) (i32.const 0x1000000)) (then unreachable))
      (memory.copy (local.get $at) (local.get $old) (local.get $old-size))
      (local.get $at)))
  (core instance $libc (instantiate $libc))

  (core func $next (canon lower (func $next)
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $dump (canon lower (func $dump) (memory (core memory $libc "memory"))))
  (core func $get-stream (canon lower (func $get-stream)))
  (core func $give-stream (canon lower (func $give-stream)))
  (core func $get-future (canon lower (func $get-future)))
  (core func $give-future (canon lower (func $give-future)))
  (core func $stream.new (canon stream.new $s))
  (core func $stream.read (canon stream.read $s async
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $stream.write (canon stream.write $s async
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $stream.cancel-read (canon stream.cancel-read $s))
  (core func $stream.cancel-write (canon stream.cancel-write $s))
  (core func $stream.drop-readable (canon stream.drop-readable $s))
  (core func $stream.drop-writable (canon stream.drop-writable $s))
  (core func $future.new (canon future.new $f))
  (core func $future.read (canon future.read $f async
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $future.write (canon future.write $f async
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $future.cancel-read (canon future.cancel-read $f))
  (core func $future.cancel-write (canon future.cancel-write $f))
  (core func $future.drop-readable (canon future.drop-readable $f))
  (core func $future.drop-writable (canon future.drop-writable $f))
  (core func $waitable.join (canon waitable.join))
  DROP
  MAKE
  (core func $waitable-set.new (canon waitable-set.new))
  (core func $waitable-set.wait (canon waitable-set.wait (memory (core memory $libc "memory"))))

  (core module $m
    (import "libc" "memory" (memory 1))
    (import "libc" "top" (global $top (mut i32)))
    (import "host" "next" (func $next (param i32 i32 i32 i32)))
    (import "host" "dump" (func $dump (param i32 i32)))
    (import "host" "get-stream" (func $get-stream (result i32)))
    (import "host" "give-stream" (func $give-stream (param i32)))
    (import "host" "get-future" (func $get-future (result i32)))
    (import "host" "give-future" (func $give-future (param i32)))
    (import "host" "stream.new" (func $stream.new (result i64)))
    (import "host" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "host" "stream.write" (func $stream.write (param i32 i32 i32) (result i32)))
    (import "host" "stream.cancel-read" (func $stream.cancel-read (param i32) (result i32)))
    (import "host" "stream.cancel-write" (func $stream.cancel-write (param i32) (result i32)))
    (import "host" "stream.drop-readable" (func $stream.drop-readable (param i32)))
    (import "host" "stream.drop-writable" (func $stream.drop-writable (param i32)))
    (import "host" "future.new" (func $future.new (result i64)))
    (import "host" "future.read" (func $future.read (param i32 i32) (result i32)))
    (import "host" "future.write" (func $future.write (param i32 i32) (result i32)))
    (import "host" "future.cancel-read" (func $future.cancel-read (param i32) (result i32)))
    (import "host" "future.cancel-write" (func $future.cancel-write (param i32) (result i32)))
    (import "host" "future.drop-readable" (func $future.drop-readable (param i32)))
    (import "host" "future.drop-writable" (func $future.drop-writable (param i32)))
    (import "host" "waitable.join" (func $waitable.join (param i32 i32)))
    (import "host" "item.drop" (func $item.drop (param i32)))
    (import "host" "item.new" (func $item.new (result i64)))
    (import "host" "item.write" (func $item.write (param i32 i32 i32) (result i32)))
    (import "host" "item.close" (func $item.close (param i32)))
    (import "host" "waitable-set.new" (func $waitable-set.new (result i32)))
    (import "host" "waitable-set.wait" (func $waitable-set.wait (param i32 i32) (result i32)))

    (func (export "run")
      (local $set i32) (local $mark i32) (local $op i32) (local $a i32) (local $b i32) (local $c i32)
      (local $ptr i32) (local $len i32) (local $r0 i32) (local $r1 i32) (local $r2 i32) (local $pair i64)
      (local.set $set (call $waitable-set.new))
      (loop $again
        (local.set $mark (global.get $top))
        (call $next (local.get $r0) (local.get $r1) (local.get $r2) (i32.const 16))
        (local.set $op (i32.load (i32.const 16)))
        (local.set $a (i32.load (i32.const 20)))
        (local.set $b (i32.load (i32.const 24)))
        (local.set $c (i32.load (i32.const 28)))
        (local.set $ptr (i32.load (i32.const 32)))
        (local.set $len (i32.load (i32.const 36)))
        (local.set $r0 (i32.const 0))
        (local.set $r1 (i32.const 0))
        (local.set $r2 (i32.const 0))

        (if (i32.eq (local.get $op) (i32.const 1)) (then
          (local.set $r0 (call $stream.read (local.get $a) (local.get $b) (local.get $c)))))
        (if (i32.eq (local.get $op) (i32.const 2)) (then
          (local.set $r0 (call $stream.write (local.get $a) (local.get $b) (local.get $c)))))
        (if (i32.eq (local.get $op) (i32.const 3)) (then
          (local.set $r0 (call $stream.cancel-read (local.get $a)))))
        (if (i32.eq (local.get $op) (i32.const 4)) (then
          (local.set $r0 (call $stream.cancel-write (local.get $a)))))
        (if (i32.eq (local.get $op) (i32.const 5)) (then (call $stream.drop-readable (local.get $a))))
        (if (i32.eq (local.get $op) (i32.const 6)) (then (call $stream.drop-writable (local.get $a))))
        (if (i32.eq (local.get $op) (i32.const 7)) (then
          (local.set $pair (call $stream.new))
          (local.set $r0 (i32.wrap_i64 (local.get $pair)))
          (local.set $r1 (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))))
        (if (i32.eq (local.get $op) (i32.const 8)) (then (local.set $r0 (call $get-stream))))
        (if (i32.eq (local.get $op) (i32.const 9)) (then (call $give-stream (local.get $a))))
        (if (i32.eq (local.get $op) (i32.const 10)) (then
          (call $waitable.join (local.get $a) (local.get $set))
          (local.set $r0 (call $waitable-set.wait (local.get $set) (i32.const 64)))
          (local.set $r1 (i32.load (i32.const 64)))
          (local.set $r2 (i32.load (i32.const 68)))
          (call $waitable.join (local.get $a) (i32.const 0))))
        (if (i32.eq (local.get $op) (i32.const 11)) (then
          (memory.copy (local.get $a) (local.get $ptr) (local.get $len))
          (global.set $top (local.get $mark))))
        (if (i32.eq (local.get $op) (i32.const 12)) (then
          (call $dump (local.get $a) (local.get $b))
          (local.set $r0 (global.get $top))))
        (if (i32.eq (local.get $op) (i32.const 13)) (then unreachable))
        (if (i32.eq (local.get $op) (i32.const 14)) (then
          (local.set $r0 (global.get $top))
          (if (local.get $a) (then (global.set $top (local.get $a))))))
        (if (i32.eq (local.get $op) (i32.const 15)) (then (call $item.drop (local.get $a))))
        (if (i32.eq (local.get $op) (i32.const 16)) (then
          (local.set $pair (call $item.new))
          (local.set $r0 (i32.wrap_i64 (local.get $pair)))
          (local.set $r1 (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))))
        (if (i32.eq (local.get $op) (i32.const 17)) (then
          (local.set $r0 (call $item.write (local.get $a) (local.get $b) (local.get $c)))))
        (if (i32.eq (local.get $op) (i32.const 18)) (then (call $item.close (local.get $a))))

        (if (i32.eq (local.get $op) (i32.const 21)) (then
          (local.set $r0 (call $future.read (local.get $a) (local.get $b)))))
        (if (i32.eq (local.get $op) (i32.const 22)) (then
          (local.set $r0 (call $future.write (local.get $a) (local.get $b)))))
        (if (i32.eq (local.get $op) (i32.const 23)) (then
          (local.set $r0 (call $future.cancel-read (local.get $a)))))
        (if (i32.eq (local.get $op) (i32.const 24)) (then
          (local.set $r0 (call $future.cancel-write (local.get $a)))))
        (if (i32.eq (local.get $op) (i32.const 25)) (then (call $future.drop-readable (local.get $a))))
        (if (i32.eq (local.get $op) (i32.const 26)) (then (call $future.drop-writable (local.get $a))))
        (if (i32.eq (local.get $op) (i32.const 27)) (then
          (local.set $pair (call $future.new))
          (local.set $r0 (i32.wrap_i64 (local.get $pair)))
          (local.set $r1 (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))))
        (if (i32.eq (local.get $op) (i32.const 28)) (then (local.set $r0 (call $get-future))))
        (if (i32.eq (local.get $op) (i32.const 29)) (then (call $give-future (local.get $a))))

        (br_if $again (local.get $op)))))

  (core instance $m (instantiate $m
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "next" (func $next))
      (export "dump" (func $dump))
      (export "get-stream" (func $get-stream))
      (export "give-stream" (func $give-stream))
      (export "get-future" (func $get-future))
      (export "give-future" (func $give-future))
      (export "stream.new" (func $stream.new))
      (export "stream.read" (func $stream.read))
      (export "stream.write" (func $stream.write))
      (export "stream.cancel-read" (func $stream.cancel-read))
      (export "stream.cancel-write" (func $stream.cancel-write))
      (export "stream.drop-readable" (func $stream.drop-readable))
      (export "stream.drop-writable" (func $stream.drop-writable))
      (export "future.new" (func $future.new))
      (export "future.read" (func $future.read))
      (export "future.write" (func $future.write))
      (export "future.cancel-read" (func $future.cancel-read))
      (export "future.cancel-write" (func $future.cancel-write))
      (export "future.drop-readable" (func $future.drop-readable))
      (export "future.drop-writable" (func $future.drop-writable))
      (export "waitable.join" (func $waitable.join))
      (export "item.drop" (func $item.drop))
      (export "item.new" (func $item.new))
      (export "item.write" (func $item.write))
      (export "item.close" (func $item.close))
      (export "waitable-set.new" (func $waitable-set.new))
      (export "waitable-set.wait" (func $waitable-set.wait))))))
  (func (export "run") async (canon lift (core func $m "run"))))
