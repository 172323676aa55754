//! The adapters over real peers: sockets, files, channels between tasks, servers, with real guests.
// The support is written as a library would be, for more than one test target.
#![allow(unreachable_pub)]

mod blocking;
