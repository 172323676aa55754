//! tmp
#![allow(unreachable_pub)]
#[path = "contract/wrong.rs"] mod wrong;
#[path = "contract/wrong_producers.rs"] mod wrong_producers;
