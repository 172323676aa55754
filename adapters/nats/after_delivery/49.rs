include!("48.rs");
