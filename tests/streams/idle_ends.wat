;; Waits for one stream while the ends of two others are idle in the same waitable set. Then uses those ends.
(component
  (type $bytes (stream u8))
  (import "take" (func $take (param "s" (stream u8))))

  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))

  (canon lower (func $take) (core func $take))
  (canon waitable-set.new (core func $waitable-set.new))
  (canon waitable-set.wait (memory (core memory $libc "memory")) (core func $waitable-set.wait))
  (canon waitable-set.poll (memory (core memory $libc "memory")) (core func $waitable-set.poll))
  (canon waitable.join (core func $waitable.join))
  (canon stream.new $bytes (core func $stream.new))
  (canon stream.read $bytes async (memory (core memory $libc "memory")) (core func $stream.read))
  (canon stream.write $bytes async (memory (core memory $libc "memory")) (core func $stream.write))
  (canon stream.drop-readable $bytes (core func $stream.drop-readable))
  (canon stream.drop-writable $bytes (core func $stream.drop-writable))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "take" (func $take (param i32)))
    (import "host" "waitable-set.new" (func $waitable-set.new (result i32)))
    (import "host" "waitable-set.wait" (func $waitable-set.wait (param i32 i32) (result i32)))
    (import "host" "waitable-set.poll" (func $waitable-set.poll (param i32 i32) (result i32)))
    (import "host" "waitable.join" (func $waitable.join (param i32 i32)))
    (import "host" "stream.new" (func $stream.new (result i64)))
    (import "host" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "host" "stream.write" (func $stream.write (param i32 i32 i32) (result i32)))
    (import "host" "stream.drop-readable" (func $stream.drop-readable (param i32)))
    (import "host" "stream.drop-writable" (func $stream.drop-writable (param i32)))

    ;; Results at 0: the event, whether it is for `awaited`, its code, the codes of the idle ends, what is left in the set.
    (func (export "run") (param $idle i32) (param $awaited i32) (result i32)
      (local $set i32) (local $ends i64) (local $writable i32)
      (local.set $set (call $waitable-set.new))
      (call $waitable.join (local.get $idle) (local.get $set))
      (local.set $ends (call $stream.new))
      (local.set $writable (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (call $waitable.join (local.get $writable) (local.get $set))
      (call $take (i32.wrap_i64 (local.get $ends)))

      (if (i32.ne (call $stream.read (local.get $awaited) (i32.const 64) (i32.const 8)) (i32.const -1))
        (then unreachable))
      (call $waitable.join (local.get $awaited) (local.get $set))
      (i32.store (i32.const 0) (call $waitable-set.wait (local.get $set) (i32.const 32)))
      (i32.store (i32.const 4) (i32.eq (i32.load (i32.const 32)) (local.get $awaited)))
      (i32.store (i32.const 8) (i32.load (i32.const 36)))

      (i32.store (i32.const 12) (call $stream.read (local.get $idle) (i32.const 128) (i32.const 8)))
      (i32.store (i32.const 16) (call $stream.write (local.get $writable) (i32.const 64) (i32.const 4)))
      (i32.store (i32.const 20) (call $waitable-set.poll (local.get $set) (i32.const 32)))

      (call $waitable.join (local.get $idle) (i32.const 0))
      (call $waitable.join (local.get $writable) (i32.const 0))
      (call $waitable.join (local.get $awaited) (i32.const 0))
      (call $stream.drop-readable (local.get $idle))
      (call $stream.drop-readable (local.get $awaited))
      (call $stream.drop-writable (local.get $writable))
      (i32.const 0)))

  (core instance $guest (instantiate $guest
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "take" (func $take))
      (export "waitable-set.new" (func $waitable-set.new))
      (export "waitable-set.wait" (func $waitable-set.wait))
      (export "waitable-set.poll" (func $waitable-set.poll))
      (export "waitable.join" (func $waitable.join))
      (export "stream.new" (func $stream.new))
      (export "stream.read" (func $stream.read))
      (export "stream.write" (func $stream.write))
      (export "stream.drop-readable" (func $stream.drop-readable))
      (export "stream.drop-writable" (func $stream.drop-writable))))))

  (func (export "run") async (param "idle" (stream u8)) (param "awaited" (stream u8))
    (result (tuple u32 u32 u32 u32 u32 u32))
    (canon lift (core func $guest "run") (memory (core memory $libc "memory")))))
