;; A guest that does little more than its stream operations. guest.rs replaces the words in capitals.
(component
  (core module $libc
    (memory (export "memory") 50)
    ;; For the strings that the host lowers. Old ones are overwritten; the guest never reads them.
    (global $heap (mut i32) (i32.const 0x110000))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (if (i32.gt_u (i32.add (global.get $heap) (local.get 3)) (i32.const 0x310000))
        (then (global.set $heap (i32.const 0x110000))))
      (local.set $at (global.get $heap))
      (global.set $heap (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))

  (type $items (stream ITEM))
  (core func $stream.new (canon stream.new $items))
  (core func $stream.read (canon stream.read $items async
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $stream.write (canon stream.write $items async (memory (core memory $libc "memory"))))
  (core func $stream.drop-readable (canon stream.drop-readable $items))
  (core func $stream.drop-writable (canon stream.drop-writable $items))
  (core func $task.return (canon task.return (result $items)))
  (core func $set.new (canon waitable-set.new))
  (core func $set.wait (canon waitable-set.wait (memory (core memory $libc "memory"))))
  (core func $join (canon waitable.join))

  (core module $guest
    (import "libc" "memory" (memory 50))
    (import "" "stream.new" (func $stream.new (result i64)))
    (import "" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "" "stream.write" (func $stream.write (param i32 i32 i32) (result i32)))
    (import "" "stream.drop-readable" (func $stream.drop-readable (param i32)))
    (import "" "stream.drop-writable" (func $stream.drop-writable (param i32)))
    (import "" "task.return" (func $task.return (param i32)))
    (import "" "set.new" (func $set.new (result i32)))
    (import "" "set.wait" (func $set.wait (param i32 i32) (result i32)))
    (import "" "join" (func $join (param i32 i32)))

    ;; Page 0 is for events and for the handles of kept streams, the buffer has 1 MiB, and the rest is libc's.
    (global $buffer i32 (i32.const 0x10000))
    (global $kept-at i32 (i32.const 0x1000))
    (global $kept (mut i32) (i32.const 0))
    (global $set (mut i32) (i32.const 0))
    (global $writer (mut i32) (i32.const 0))
    (global $per-op (mut i32) (i32.const 0))
    (global $left (mut i64) (i64.const 0))
    (data (i32.const 0x800) "a name of twenty-four by")

    ;; Fills the buffer with records of a number and a string of 24 bytes.
    (func $fill (param $count i32)
      (local $at i32)
      (local.set $at (global.get $buffer))
      (loop $next
        (if (local.get $count)
          (then
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (i32.store (local.get $at) (local.get $count))
            (i32.store (i32.add (local.get $at) (i32.const 4)) (i32.const 0x800))
            (i32.store (i32.add (local.get $at) (i32.const 8)) (i32.const 24))
            (local.set $at (i32.add (local.get $at) (i32.const 12)))
            (br $next)))))

    ;; The waitable set, with `stream` in it.
    (func $waiting-for (param $stream i32) (result i32)
      (if (i32.eqz (global.get $set)) (then (global.set $set (call $set.new))))
      (call $join (local.get $stream) (global.get $set))
      (global.get $set))

    ;; Waits for a blocked operation.
    (func $done (param $stream i32) (param $set i32) (param $code i32) (result i32)
      (if (result i32) (i32.eq (local.get $code) (i32.const -1))
        (then
          (call $join (local.get $stream) (local.get $set))
          (drop (call $set.wait (local.get $set) (i32.const 0)))
          (i32.load (i32.const 4)))
        (else (local.get $code))))

    ;; Reads to the end, and counts.
    (func (export "read") (param $stream i32) (param $per-op i32) (result i64)
      (local $code i32) (local $count i64)
      (loop $next
        (local.set $code
          (call $stream.read (local.get $stream) (global.get $buffer) (local.get $per-op)))
        (if (i32.eq (local.get $code) (i32.const -1)) ;; blocked
          (then
            (drop (call $set.wait (call $waiting-for (local.get $stream)) (i32.const 0)))
            (local.set $code (i32.load (i32.const 4)))))
        (local.set $count
          (i64.add (local.get $count)
            (i64.extend_i32_u (i32.shr_u (local.get $code) (i32.const 4)))))
        (br_if $next (i32.eqz (i32.and (local.get $code) (i32.const 0xf))))) ;; until dropped
      (call $stream.drop-readable (local.get $stream))
      (local.get $count))

    ;; Returns a stream, then writes `total` items to it.
    (func (export "write") (param $per-op i32) (param $total i64) (result i32)
      (local $ends i64)
      FILL
      (local.set $ends (call $stream.new))
      (global.set $writer (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (global.set $per-op (local.get $per-op))
      (global.set $left (local.get $total))
      (call $task.return (i32.wrap_i64 (local.get $ends)))
      (call $go-on))

    (func (export "callback") (param $event i32) (param $stream i32) (param $code i32) (result i32)
      (call $wrote (local.get $code))
      (call $go-on))

    (func $wrote (param $code i32)
      (global.set $left
        (i64.sub (global.get $left)
          (i64.extend_i32_u (i32.shr_u (local.get $code) (i32.const 4)))))
      (if (i32.and (local.get $code) (i32.const 0xf)) ;; dropped
        (then (global.set $left (i64.const 0)))))

    ;; Writes until an operation blocks. After a short write it writes the rest.
    (func $go-on (result i32)
      (local $code i32) (local $count i32)
      (loop $next
        (if (i64.ne (global.get $left) (i64.const 0))
          (then
            (local.set $count (global.get $per-op))
            (if (i64.lt_u (global.get $left) (i64.extend_i32_u (local.get $count)))
              (then (local.set $count (i32.wrap_i64 (global.get $left)))))
            (local.set $code
              (call $stream.write
                (global.get $writer) (global.get $buffer) (local.get $count)))
            (if (i32.eq (local.get $code) (i32.const -1)) ;; blocked
              (then
                (return ;; 2: wait
                  (i32.or (i32.const 2)
                    (i32.shl (call $waiting-for (global.get $writer)) (i32.const 4))))))
            (call $wrote (local.get $code))
            (br $next))))
      (call $stream.drop-writable (global.get $writer))
      (i32.const 0)) ;; exit

    ;; Returns a stream, then writes to it what it reads from another one.
    (func (export "pass") (param $from i32) (param $per-op i32) (result i32)
      (local $ends i64) (local $to i32) (local $in i32) (local $out i32)
      (local $read i32) (local $count i32) (local $sent i32) (local $code i32)
      (local.set $in (call $set.new))
      (local.set $out (call $set.new))
      (local.set $ends (call $stream.new))
      (local.set $to (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (call $task.return (i32.wrap_i64 (local.get $ends)))
      (loop $next
        (local.set $read
          (call $done (local.get $from) (local.get $in)
            (call $stream.read (local.get $from) (global.get $buffer) (local.get $per-op))))
        (local.set $count (i32.shr_u (local.get $read) (i32.const 4)))
        (local.set $sent (i32.const 0))
        (loop $rest
          (if (i32.lt_u (local.get $sent) (local.get $count))
            (then
              (local.set $code
                (call $done (local.get $to) (local.get $out)
                  (call $stream.write (local.get $to)
                    (i32.add (global.get $buffer) (local.get $sent))
                    (i32.sub (local.get $count) (local.get $sent)))))
              (local.set $sent
                (i32.add (local.get $sent) (i32.shr_u (local.get $code) (i32.const 4))))
              (br_if $rest (i32.eqz (i32.and (local.get $code) (i32.const 0xf)))))))
        (br_if $next
          (i32.eqz (i32.and (i32.or (local.get $read) (local.get $code)) (i32.const 0xf)))))
      (call $stream.drop-readable (local.get $from))
      (call $stream.drop-writable (local.get $to))
      (i32.const 0)) ;; exit

    ;; The readable or writable ends of many open streams.
    (func $keep (export "keep") (param $end i32)
      (i32.store
        (i32.add (global.get $kept-at) (i32.mul (global.get $kept) (i32.const 4)))
        (local.get $end))
      (global.set $kept (i32.add (global.get $kept) (i32.const 1))))
    (func (export "open") (result i32)
      (local $ends i64)
      (local.set $ends (call $stream.new))
      (call $keep (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (i32.wrap_i64 (local.get $ends)))
    (func $end (param $index i32) (result i32)
      (i32.load (i32.add (global.get $kept-at) (i32.mul (local.get $index) (i32.const 4)))))

    ;; `times` operations on each stream in turn, none of which may block. Counts the items.
    (func (export "read-each") (param $per-op i32) (param $times i32) (result i64)
      (local $index i32) (local $count i64)
      (loop $next
        (local.set $count
          (i64.add (local.get $count)
            (i64.extend_i32_u
              (i32.shr_u
                (call $stream.read
                  (call $end (local.get $index)) (global.get $buffer) (local.get $per-op))
                (i32.const 4)))))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $index) (global.get $kept)))
        (local.set $index (i32.const 0))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $next (local.get $times)))
      (local.get $count))
    (func (export "write-each") (param $per-op i32) (param $times i32) (result i64)
      (local $index i32) (local $count i64)
      FILL
      (loop $next
        (local.set $count
          (i64.add (local.get $count)
            (i64.extend_i32_u
              (i32.shr_u
                (call $stream.write
                  (call $end (local.get $index)) (global.get $buffer) (local.get $per-op))
                (i32.const 4)))))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $index) (global.get $kept)))
        (local.set $index (i32.const 0))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $next (local.get $times)))
      (local.get $count))
    (func (export "drop-readers")
      (loop $next
        (if (global.get $kept)
          (then
            (global.set $kept (i32.sub (global.get $kept) (i32.const 1)))
            (call $stream.drop-readable (call $end (global.get $kept)))
            (br $next)))))
  )

  (core instance $guest (instantiate $guest
    (with "libc" (instance $libc))
    (with "" (instance
      (export "stream.new" (func $stream.new))
      (export "stream.read" (func $stream.read))
      (export "stream.write" (func $stream.write))
      (export "stream.drop-readable" (func $stream.drop-readable))
      (export "stream.drop-writable" (func $stream.drop-writable))
      (export "task.return" (func $task.return))
      (export "set.new" (func $set.new))
      (export "set.wait" (func $set.wait))
      (export "join" (func $join))))))

  (func (export "read") async (param "items" (stream ITEM)) (param "per-op" u32) (result u64)
    (canon lift (core func $guest "read")))
  (func (export "write") async (param "per-op" u32) (param "total" u64) (result (stream ITEM))
    (canon lift (core func $guest "write") async (callback (core func $guest "callback"))))
  (func (export "pass") async (param "items" (stream ITEM)) (param "per-op" u32)
    (result (stream ITEM))
    (canon lift (core func $guest "pass") async (callback (core func $guest "callback"))))
  (func (export "keep") async (param "items" (stream ITEM)) (canon lift (core func $guest "keep")))
  (func (export "open") async (result (stream ITEM)) (canon lift (core func $guest "open")))
  (func (export "read-each") async (param "per-op" u32) (param "times" u32) (result u64)
    (canon lift (core func $guest "read-each")))
  (func (export "write-each") async (param "per-op" u32) (param "times" u32) (result u64)
    (canon lift (core func $guest "write-each")))
  (func (export "drop-readers") async (canon lift (core func $guest "drop-readers")))
)
