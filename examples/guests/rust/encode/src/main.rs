//! `encode MODULE COMPONENT`: makes a component of a core module that wit-bindgen's code is in.

use std::{env, error::Error, fs};

use wit_component::ComponentEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = env::args_os().skip(1);
    let (Some(module), Some(component), None) = (paths.next(), paths.next(), paths.next()) else {
        return Err("usage: encode MODULE COMPONENT".into());
    };
    let encoded = ComponentEncoder::default()
        .module(&fs::read(module)?)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| format!("{error:?}"))?;
    fs::write(component, encoded)?;
    Ok(())
}
