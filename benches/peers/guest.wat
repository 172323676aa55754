;; A guest that does as little as possible itself. ITEM stands for `u8` or `u32`, filled in by guest.rs.
(component
  (core module $libc (memory (export "memory") 3))
  (core instance $libc (instantiate $libc))

  (type $items (stream ITEM))
  (core func $stream.new (canon stream.new $items))
  (core func $stream.read (canon stream.read $items async (memory (core memory $libc "memory"))))
  (core func $stream.write (canon stream.write $items async (memory (core memory $libc "memory"))))
  (core func $stream.drop-readable (canon stream.drop-readable $items))
  (core func $stream.drop-writable (canon stream.drop-writable $items))
  (core func $task.return (canon task.return (result $items)))
  (core func $set.new (canon waitable-set.new))
  (core func $set.wait (canon waitable-set.wait (memory (core memory $libc "memory"))))
  (core func $join (canon waitable.join))

  (core module $guest
    (import "libc" "memory" (memory 3))
    (import "" "stream.new" (func $stream.new (result i64)))
    (import "" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "" "stream.write" (func $stream.write (param i32 i32 i32) (result i32)))
    (import "" "stream.drop-readable" (func $stream.drop-readable (param i32)))
    (import "" "stream.drop-writable" (func $stream.drop-writable (param i32)))
    (import "" "task.return" (func $task.return (param i32)))
    (import "" "set.new" (func $set.new (result i32)))
    (import "" "set.wait" (func $set.wait (param i32 i32) (result i32)))
    (import "" "join" (func $join (param i32 i32)))

    ;; Page 0 is for events, the others are the buffer.
    (global $buffer i32 (i32.const 0x10000))
    (global $set (mut i32) (i32.const 0))
    (global $writer (mut i32) (i32.const 0))
    (global $per-op (mut i32) (i32.const 0))
    (global $left (mut i64) (i64.const 0))

    ;; The set to wait on, with `stream` in it.
    (func $waiting-for (param $stream i32) (result i32)
      (if (i32.eqz (global.get $set)) (then (global.set $set (call $set.new))))
      (call $join (local.get $stream) (global.get $set))
      (global.get $set))

    ;; Reads until the end, and counts.
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

    ;; Returns a stream, then writes `total` items into it.
    (func (export "write") (param $per-op i32) (param $total i64) (result i32)
      (local $ends i64)
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

    ;; Writes as long as nothing blocks. After a short write it goes on with the rest.
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
)
