;; A guest that does what the host commands: see handles_guest.rs, which replaces the words in capitals.
(component
  (import "item" (type $item (sub resource)))
  (type $bytes (stream u8))
  (type $value (future u32))
  (type $s (stream ITEM))
  (type $b (stream u8))
  (type $v (future u32))
  (type $f (future ITEM))
  (import "next" (func $next async
    (param "r0" u32) (param "r1" u32) (param "r2" u32)
    (result (tuple u32 u32 u32 u32 (list u8)))))
  (import "dump" (func $dump (param "bytes" (list u8))))
  (import "get-stream" (func $get-stream (result $s)))
  (import "give-stream" (func $give-stream (param "s" $s)))
  (import "get-future" (func $get-future (result $f)))
  (import "give-future" (func $give-future (param "f" $f)))

  (core module $libc
    (memory (export "memory") 1024)
    (global $top (export "top") (mut i32) (i32.const 0x10000))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $top) (i32.const 0x200000)) (then unreachable))
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
  (core func $item.drop (canon resource.drop $item))
  (core func $join (canon waitable.join))
  (core func $set-new (canon waitable-set.new))
  (core func $set-wait (canon waitable-set.wait (memory (core memory $libc "memory"))))
  CANON

  (core module $m
    (import "libc" "memory" (memory 1))
    (import "libc" "top" (global $top (mut i32)))
    (import "host" "next" (func $next (param i32 i32 i32 i32)))
    (import "host" "dump" (func $dump (param i32 i32)))
    (import "host" "join" (func $join (param i32 i32)))
    (import "host" "set-new" (func $set-new (result i32)))
    (import "host" "set-wait" (func $set-wait (param i32 i32) (result i32)))
    IMPORTS
    (func (export "run")
      (local $set i32) (local $mark i32) (local $op i32) (local $a i32) (local $b i32) (local $c i32)
      (local $ptr i32) (local $len i32) (local $r0 i32) (local $r1 i32) (local $r2 i32) (local $pair i64)
      (local.set $set (call $set-new))
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
        OPERATIONS
        (if (i32.eq (local.get $op) (i32.const 100)) (then
          (call $join (local.get $a) (local.get $set))
          (local.set $r0 (call $set-wait (local.get $set) (i32.const 64)))
          (local.set $r1 (i32.load (i32.const 64)))
          (local.set $r2 (i32.load (i32.const 68)))
          (call $join (local.get $a) (i32.const 0))))
        (if (i32.eq (local.get $op) (i32.const 101)) (then
          (memory.copy (local.get $a) (local.get $ptr) (local.get $len))
          (global.set $top (local.get $mark))))
        (if (i32.eq (local.get $op) (i32.const 102)) (then (call $dump (local.get $a) (local.get $b))))
        (br_if $again (local.get $op)))))

  (core instance $m (instantiate $m
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "next" (func $next))
      (export "dump" (func $dump))
      (export "join" (func $join))
      (export "set-new" (func $set-new))
      (export "set-wait" (func $set-wait))
      EXPORTS))))
  (func (export "run") async (canon lift (core func $m "run"))))
