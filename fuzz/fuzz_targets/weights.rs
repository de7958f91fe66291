//! A safetensors file of weights.

#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};

use candle_core::Device;
use libfuzzer_sys::fuzz_target;
use training::Parameters;

fn small_network() -> Parameters {
    let parameters = Parameters::seeded(0, &Device::Cpu);
    layers::Stack::new(&[2], parameters.builder()).linear(3).build().unwrap();
    parameters
}

fuzz_target!(|data: &[u8]| {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        folder.join(format!("fuzz-weights-{}.safetensors", std::process::id()))
    });
    fs::write(path, data).unwrap();
    let parameters = small_network();
    let before = parameters.sha256().unwrap();
    if parameters.load(path).is_err() {
        assert_eq!(parameters.sha256().unwrap(), before, "an error changed the weights");
    }
});
