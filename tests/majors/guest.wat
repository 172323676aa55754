;; `read` waits for a byte of its stream and drops it. `answer` needs nothing.
(component
  (type $bytes (stream u8))

  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))

  (canon waitable-set.new (core func $waitable-set.new))
  (canon waitable-set.wait (memory (core memory $libc "memory")) (core func $waitable-set.wait))
  (canon waitable.join (core func $waitable.join))
  (canon stream.read $bytes async (memory (core memory $libc "memory")) (core func $stream.read))
  (canon stream.drop-readable $bytes (core func $stream.drop-readable))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "waitable-set.new" (func $waitable-set.new (result i32)))
    (import "host" "waitable-set.wait" (func $waitable-set.wait (param i32 i32) (result i32)))
    (import "host" "waitable.join" (func $waitable.join (param i32 i32)))
    (import "host" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "host" "stream.drop-readable" (func $stream.drop-readable (param i32)))

    (func (export "read") (param $stream i32)
      (local $set i32)
      (if (i32.eq (call $stream.read (local.get $stream) (i32.const 64) (i32.const 1)) (i32.const -1)) (then
        (local.set $set (call $waitable-set.new))
        (call $waitable.join (local.get $stream) (local.get $set))
        (drop (call $waitable-set.wait (local.get $set) (i32.const 32)))
        (call $waitable.join (local.get $stream) (i32.const 0))))
      (call $stream.drop-readable (local.get $stream)))

    (func (export "answer") (result i32) (i32.const 42)))

  (core instance $guest (instantiate $guest
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "waitable-set.new" (func $waitable-set.new))
      (export "waitable-set.wait" (func $waitable-set.wait))
      (export "waitable.join" (func $waitable.join))
      (export "stream.read" (func $stream.read))
      (export "stream.drop-readable" (func $stream.drop-readable))))))

  (func (export "read") async (param "stream" (stream u8))
    (canon lift (core func $guest "read") (memory (core memory $libc "memory"))))
  (func (export "answer") async (result u32)
    (canon lift (core func $guest "answer"))))
