;; What the guest does with its streams; interfaces.wat has the rest of the component.
(core module $operations
  (import "libc" "memory" (memory 64))
  (import "host" "open-stdin" (func $open-stdin (param i32)))
  (import "host" "open-stdout" (func $open-stdout (param i32) (result i32)))
  (import "host" "open-read" (func $open-read (param i32 i64 i32)))
  (import "host" "open-write" (func $open-write (param i32 i32 i64) (result i32)))
  (import "host" "open-list" (func $open-list (param i32 i32)))
  (import "host" "drop-descriptor" (func $drop-descriptor (param i32)))
  (import "host" "create" (func $create (param i32 i32)))
  (import "host" "bind"
    (func $bind (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "host" "connect"
    (func $connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "host" "set-backlog" (func $set-backlog (param i32 i64 i32)))
  (import "host" "listen" (func $listen (param i32 i32)))
  (import "host" "get-address" (func $get-address (param i32 i32)))
  (import "host" "open-send" (func $open-send (param i32 i32) (result i32)))
  (import "host" "open-receive" (func $open-receive (param i32 i32)))
  (import "host" "drop-socket" (func $drop-socket (param i32)))
  (import "host" "new" (func $new (result i64)))
  (import "host" "read" (func $read (param i32 i32 i32) (result i32)))
  (import "host" "write" (func $write (param i32 i32 i32) (result i32)))
  (import "host" "drop-readable" (func $drop-readable (param i32)))
  (import "host" "drop-writable" (func $drop-writable (param i32)))
  (import "host" "read-entries" (func $read-entries (param i32 i32 i32) (result i32)))
  (import "host" "drop-entries" (func $drop-entries (param i32)))
  (import "host" "read-connections" (func $read-connections (param i32 i32 i32) (result i32)))
  (import "host" "drop-connections" (func $drop-connections (param i32)))
  (import "host" "stdio-result" (func $stdio-result (param i32 i32) (result i32)))
  (import "host" "drop-stdio-result" (func $drop-stdio-result (param i32)))
  (import "host" "files-result" (func $files-result (param i32 i32) (result i32)))
  (import "host" "drop-files-result" (func $drop-files-result (param i32)))
  (import "host" "drop-sockets-result" (func $drop-sockets-result (param i32)))
  (import "host" "set.new" (func $set.new (result i32)))
  (import "host" "set.wait" (func $set.wait (param i32 i32) (result i32)))
  (import "host" "join" (func $join (param i32 i32)))

  ;; 0: events. 64: what the host returns. The buffer has 1 MiB; accepted sockets are kept after it.
  (global $returned i32 (i32.const 64))
  (global $buffer i32 (i32.const 0x10000))
  (global $accepted-at i32 (i32.const 0x120000))
  (global $accepted (mut i32) (i32.const 0))
  (global $set (mut i32) (i32.const 0))
  (global $checks (mut i32) (i32.const 0))
  (global $socket (mut i32) (i32.const 0))
  (global $in (mut i32) (i32.const 0))
  (global $in-result (mut i32) (i32.const 0))
  (global $out (mut i32) (i32.const 0))
  (global $out-result (mut i32) (i32.const 0))
  (global $connections (mut i32) (i32.const 0))

  ;; From now on, each byte that is read must be the one of its position, and those that are written are.
  (func (export "check") (global.set $checks (i32.const 1)))

  ;; The byte at a position: `data.rs` has the same.
  (func $byte (param $position i32) (result i32)
    (i32.shr_u (i32.mul (local.get $position) (i32.const 0x9e3779b1)) (i32.const 24)))
  (func $verify (param $count i32) (param $position i32)
    (local $index i32)
    (loop $next
      (if (i32.lt_u (local.get $index) (local.get $count))
        (then
          (if
            (i32.ne
              (i32.load8_u (i32.add (global.get $buffer) (local.get $index)))
              (call $byte (i32.add (local.get $position) (local.get $index))))
            (then (unreachable)))
          (local.set $index (i32.add (local.get $index) (i32.const 1)))
          (br $next)))))
  (func $fill (param $count i32) (param $position i32)
    (local $index i32)
    (loop $next
      (if (i32.lt_u (local.get $index) (local.get $count))
        (then
          (i32.store8 (i32.add (global.get $buffer) (local.get $index))
            (call $byte (i32.add (local.get $position) (local.get $index))))
          (local.set $index (i32.add (local.get $index) (i32.const 1)))
          (br $next)))))

  ;; Waits for an operation if it is blocked.
  (func $done (param $end i32) (param $code i32) (result i32)
    (if (result i32) (i32.eq (local.get $code) (i32.const -1))
      (then
        (if (i32.eqz (global.get $set)) (then (global.set $set (call $set.new))))
        (call $join (local.get $end) (global.get $set))
        (drop (call $set.wait (global.get $set) (i32.const 0)))
        (i32.load (i32.const 4)))
      (else (local.get $code))))
  (func $min (param $length i32) (param $left i64) (result i32)
    (select (local.get $length) (i32.wrap_i64 (local.get $left))
      (i64.lt_u (i64.extend_i32_u (local.get $length)) (local.get $left))))
  ;; The first word or byte that the host returned.
  (func $word (param $at i32) (result i32)
    (i32.load (i32.add (global.get $returned) (local.get $at))))
  (func $expect-ok
    (if (i32.load8_u (global.get $returned)) (then (unreachable))))

  ;; Reads until the end, or until it has `total` bytes.
  (func $read-all (param $stream i32) (param $per-op i32) (param $total i64) (result i64)
    (local $code i32) (local $count i64) (local $want i32)
    (loop $next
      (local.set $want (call $min (local.get $per-op) (i64.sub (local.get $total) (local.get $count))))
      (if (local.get $want)
        (then
          (local.set $code
            (call $done (local.get $stream)
              (call $read (local.get $stream) (global.get $buffer) (local.get $want))))
          (if (global.get $checks)
            (then
              (call $verify (i32.shr_u (local.get $code) (i32.const 4)) (i32.wrap_i64 (local.get $count)))))
          (local.set $count
            (i64.add (local.get $count) (i64.extend_i32_u (i32.shr_u (local.get $code) (i32.const 4)))))
          (br_if $next (i32.eqz (i32.and (local.get $code) (i32.const 0xf)))))))
    (local.get $count))

  ;; Writes `total` bytes, or until the other end is dropped.
  (func $write-all (param $stream i32) (param $per-op i32) (param $total i64) (result i64)
    (local $code i32) (local $count i64) (local $length i32) (local $sent i32)
    (loop $next
      (local.set $length (call $min (local.get $per-op) (i64.sub (local.get $total) (local.get $count))))
      (if (i32.eqz (local.get $length)) (then (return (local.get $count))))
      (if (global.get $checks) (then (call $fill (local.get $length) (i32.wrap_i64 (local.get $count)))))
      (local.set $sent (i32.const 0))
      (loop $rest
        (local.set $code
          (call $done (local.get $stream)
            (call $write (local.get $stream)
              (i32.add (global.get $buffer) (local.get $sent))
              (i32.sub (local.get $length) (local.get $sent)))))
        (local.set $sent (i32.add (local.get $sent) (i32.shr_u (local.get $code) (i32.const 4))))
        (if (i32.eqz (i32.and (local.get $code) (i32.const 0xf)))
          (then (br_if $rest (i32.lt_u (local.get $sent) (local.get $length))))))
      (local.set $count (i64.add (local.get $count) (i64.extend_i32_u (local.get $sent))))
      (br_if $next (i32.eqz (i32.and (local.get $code) (i32.const 0xf)))))
    (local.get $count))

  (func (export "stdin") (param $per-op i32) (param $total i64) (result i64)
    (local $stream i32) (local $count i64)
    (call $open-stdin (global.get $returned))
    (local.set $stream (call $word (i32.const 0)))
    (call $drop-stdio-result (call $word (i32.const 4)))
    (local.set $count (call $read-all (local.get $stream) (local.get $per-op) (local.get $total)))
    (call $drop-readable (local.get $stream))
    (local.get $count))

  (func (export "stdout") (param $per-op i32) (param $total i64) (result i64)
    (local $ends i64) (local $writer i32) (local $result i32) (local $count i64)
    (local.set $ends (call $new))
    (local.set $writer (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
    (local.set $result (call $open-stdout (i32.wrap_i64 (local.get $ends))))
    (local.set $count (call $write-all (local.get $writer) (local.get $per-op) (local.get $total)))
    (call $drop-writable (local.get $writer))
    (drop (call $done (local.get $result)
      (call $stdio-result (local.get $result) (global.get $returned))))
    (call $expect-ok)
    (call $drop-stdio-result (local.get $result))
    (local.get $count))

  ;; Reads the file from its beginning to its end, so often.
  (func (export "read") (param $file i32) (param $per-op i32) (param $times i64) (result i64)
    (local $stream i32) (local $count i64)
    (loop $next
      (call $open-read (local.get $file) (i64.const 0) (global.get $returned))
      (local.set $stream (call $word (i32.const 0)))
      (call $drop-files-result (call $word (i32.const 4)))
      (local.set $count
        (i64.add (local.get $count)
          (call $read-all (local.get $stream) (local.get $per-op) (i64.const 0x7fffffffffffffff))))
      (call $drop-readable (local.get $stream))
      (local.set $times (i64.sub (local.get $times) (i64.const 1)))
      (br_if $next (i64.ne (local.get $times) (i64.const 0))))
    (call $drop-descriptor (local.get $file))
    (local.get $count))

  (func (export "write") (param $file i32) (param $per-op i32) (param $total i64) (result i64)
    (local $ends i64) (local $writer i32) (local $result i32) (local $count i64)
    (local.set $ends (call $new))
    (local.set $writer (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
    (local.set $result
      (call $open-write (local.get $file) (i32.wrap_i64 (local.get $ends)) (i64.const 0)))
    (local.set $count (call $write-all (local.get $writer) (local.get $per-op) (local.get $total)))
    (call $drop-writable (local.get $writer))
    (drop (call $done (local.get $result)
      (call $files-result (local.get $result) (global.get $returned))))
    (call $expect-ok)
    (call $drop-files-result (local.get $result))
    (call $drop-descriptor (local.get $file))
    (local.get $count))

  ;; The number of entries, and in the upper half the length of all names.
  (func (export "list") (param $directory i32) (param $per-op i32) (result i64)
    (local $stream i32) (local $code i32) (local $at i32) (local $left i32) (local $count i64)
    (call $open-list (local.get $directory) (global.get $returned))
    (local.set $stream (call $word (i32.const 0)))
    (call $drop-files-result (call $word (i32.const 4)))
    (loop $next
      (local.set $code
        (call $done (local.get $stream)
          (call $read-entries (local.get $stream) (global.get $buffer) (local.get $per-op))))
      (local.set $left (i32.shr_u (local.get $code) (i32.const 4)))
      (local.set $count (i64.add (local.get $count) (i64.extend_i32_u (local.get $left))))
      (local.set $at (global.get $buffer))
      (loop $entry
        (if (local.get $left)
          (then
            (local.set $count
              (i64.add (local.get $count)
                (i64.shl (i64.load32_u offset=20 (local.get $at)) (i64.const 32))))
            (local.set $at (i32.add (local.get $at) (i32.const 24)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $entry))))
      (br_if $next (i32.eqz (i32.and (local.get $code) (i32.const 0xf)))))
    (call $drop-entries (local.get $stream))
    (call $drop-descriptor (local.get $directory))
    (local.get $count))

  ;; A listing that is never read.
  (func (export "keep-listing") (param $directory i32)
    (call $open-list (local.get $directory) (global.get $returned))
    (call $drop-descriptor (local.get $directory)))

  (func $new-socket
    (call $create (i32.const 0) (global.get $returned))
    (call $expect-ok)
    (global.set $socket (call $word (i32.const 4))))

  (func (export "connect") (param $port i32)
    (local $ends i64)
    (call $new-socket)
    (call $connect (global.get $socket) (i32.const 0) (local.get $port)
      (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (global.get $returned))
    (call $expect-ok)
    (call $open-receive (global.get $socket) (global.get $returned))
    (global.set $in (call $word (i32.const 0)))
    (global.set $in-result (call $word (i32.const 4)))
    (local.set $ends (call $new))
    (global.set $out (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
    (global.set $out-result (call $open-send (global.get $socket) (i32.wrap_i64 (local.get $ends)))))
  (func (export "receive") (param $per-op i32) (param $total i64) (result i64)
    (call $read-all (global.get $in) (local.get $per-op) (local.get $total)))
  (func (export "send") (param $per-op i32) (param $total i64) (result i64)
    (call $write-all (global.get $out) (local.get $per-op) (local.get $total)))

  ;; Sends a byte and waits for it to come back, so often.
  (func (export "trips") (param $count i64) (result i64)
    (local $done i64)
    (loop $next
      (drop (call $write-all (global.get $out) (i32.const 1) (i64.const 1)))
      (local.set $done
        (i64.add (local.get $done) (call $read-all (global.get $in) (i32.const 1) (i64.const 1))))
      (br_if $next (i64.lt_u (local.get $done) (local.get $count))))
    (local.get $done))

  ;; The port.
  (func (export "listen") (result i32)
    (call $new-socket)
    (call $bind (global.get $socket) (i32.const 0) (i32.const 0)
      (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (global.get $returned))
    (call $expect-ok)
    (call $set-backlog (global.get $socket) (i64.const 4096) (global.get $returned))
    (call $expect-ok)
    (call $listen (global.get $socket) (global.get $returned))
    (call $expect-ok)
    (global.set $connections (call $word (i32.const 4)))
    (call $get-address (global.get $socket) (global.get $returned))
    (call $expect-ok)
    (i32.load16_u offset=8 (global.get $returned)))
  (func (export "accept") (param $per-op i32) (param $count i64) (result i64)
    (local $code i32) (local $done i64)
    (loop $next
      (local.set $code
        (call $done (global.get $connections)
          (call $read-connections (global.get $connections)
            (i32.add (global.get $accepted-at) (i32.mul (global.get $accepted) (i32.const 4)))
            (call $min (local.get $per-op) (i64.sub (local.get $count) (local.get $done))))))
      (global.set $accepted
        (i32.add (global.get $accepted) (i32.shr_u (local.get $code) (i32.const 4))))
      (local.set $done (i64.extend_i32_u (global.get $accepted)))
      (if (i32.eqz (i32.and (local.get $code) (i32.const 0xf)))
        (then (br_if $next (i64.lt_u (local.get $done) (local.get $count))))))
    (local.get $done))

  ;; Drops all sockets and their streams.
  (func (export "close")
    (loop $next
      (if (global.get $accepted)
        (then
          (global.set $accepted (i32.sub (global.get $accepted) (i32.const 1)))
          (call $drop-socket
            (i32.load
              (i32.add (global.get $accepted-at) (i32.mul (global.get $accepted) (i32.const 4)))))
          (br $next))))
    (if (global.get $connections)
      (then
        (call $drop-connections (global.get $connections))
        (global.set $connections (i32.const 0)))
      (else
        (call $drop-readable (global.get $in))
        (call $drop-writable (global.get $out))
        (call $drop-sockets-result (global.get $in-result))
        (call $drop-sockets-result (global.get $out-result))))
    (call $drop-socket (global.get $socket))))
