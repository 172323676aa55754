;; Reads a stream to its end without waiting. While a read is pending it polls its waitable set, and yields.
;; Returns the number of bytes, their sum, and how often it yielded.
(component
  (type $bytes (stream u8))

  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))

  (canon waitable-set.new (core func $waitable-set.new))
  (canon waitable-set.poll (memory (core memory $libc "memory")) (core func $waitable-set.poll))
  (canon waitable.join (core func $waitable.join))
  (canon thread.yield (core func $yield))
  (canon stream.read $bytes async (memory (core memory $libc "memory")) (core func $stream.read))
  (canon stream.drop-readable $bytes (core func $stream.drop-readable))

  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "host" "waitable-set.new" (func $waitable-set.new (result i32)))
    (import "host" "waitable-set.poll" (func $waitable-set.poll (param i32 i32) (result i32)))
    (import "host" "waitable.join" (func $waitable.join (param i32 i32)))
    (import "host" "yield" (func $yield (result i32)))
    (import "host" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "host" "stream.drop-readable" (func $stream.drop-readable (param i32)))

    (func (export "run") (param $input i32) (result i32)
      (local $set i32) (local $code i32) (local $at i32) (local $end i32)
      (local $bytes i32) (local $sum i32) (local $yields i32)
      (local.set $set (call $waitable-set.new))
      (call $waitable.join (local.get $input) (local.get $set))
      (loop $read
        (local.set $code (call $stream.read (local.get $input) (i32.const 4096) (i32.const 4096)))
        (if (i32.eq (local.get $code) (i32.const -1)) (then
          (loop $again
            (drop (call $yield))
            (local.set $yields (i32.add (local.get $yields) (i32.const 1)))
            ;; If the host never runs: a trap instead of a hang.
            (if (i32.gt_u (local.get $yields) (i32.const 20_000_000)) (then unreachable))
            (br_if $again (i32.eqz (call $waitable-set.poll (local.get $set) (i32.const 32)))))
          (local.set $code (i32.load (i32.const 36)))))
        (local.set $at (i32.const 4096))
        (local.set $end (i32.add (i32.const 4096) (i32.shr_u (local.get $code) (i32.const 4))))
        (local.set $bytes (i32.add (local.get $bytes) (i32.shr_u (local.get $code) (i32.const 4))))
        (block $summed
          (loop $byte
            (br_if $summed (i32.eq (local.get $at) (local.get $end)))
            (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $byte)))
        (br_if $read (i32.eqz (i32.and (local.get $code) (i32.const 15)))))
      (call $waitable.join (local.get $input) (i32.const 0))
      (call $stream.drop-readable (local.get $input))
      (i32.store (i32.const 0) (local.get $bytes))
      (i32.store (i32.const 4) (local.get $sum))
      (i32.store (i32.const 8) (local.get $yields))
      (i32.const 0)))

  (core instance $guest (instantiate $guest
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "waitable-set.new" (func $waitable-set.new))
      (export "waitable-set.poll" (func $waitable-set.poll))
      (export "waitable.join" (func $waitable.join))
      (export "yield" (func $yield))
      (export "stream.read" (func $stream.read))
      (export "stream.drop-readable" (func $stream.drop-readable))))))

  (func (export "run") async (param "input" (stream u8)) (result (tuple u32 u32 u32))
    (canon lift (core func $guest "run") (memory (core memory $libc "memory")))))
