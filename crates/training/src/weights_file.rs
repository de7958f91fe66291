//! Reads the tensors of a file of weights: safetensors, or what `torch.save` writes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use candle_core::{Device, Error, Result, Tensor, bail, pickle, safetensors};

/// The keys under which training programs keep the `state_dict` among other things.
const STATE_DICT_KEYS: [&str; 4] = ["state_dict", "model_state_dict", "model", "net"];

/// Reads all tensors by name, except PyTorch's counters `num_batches_tracked`. The content decides the format, not the
/// name: a file of `torch.save` is a ZIP archive.
pub fn read(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let tensors = match start(path)? {
        [b'P', b'K', 3, 4] => torch(path, device),
        [0x80, 2..=5, ..] => {
            bail!("{} is written by PyTorch before version 1.6; load it there and save it again", path.display())
        }
        _ => safetensors::load(path, device).map(BTreeMap::from_iter),
    };
    let mut tensors: BTreeMap<String, Tensor> = tensors.map_err(|error| error.with_path(path))?;
    tensors.retain(|name, _| name.rsplit('.').next() != Some("num_batches_tracked"));
    Ok(tensors)
}

/// The first bytes of a file; zeros where it is shorter.
fn start(path: &Path) -> Result<[u8; 4]> {
    let (mut start, mut read) = ([0; 4], 0);
    let failed = |error| Error::Io(error).with_path(path);
    let mut file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        // A pipe might never end.
        return Err(failed(ErrorKind::InvalidInput.into()));
    }
    while read < start.len() {
        match file.read(&mut start[read..]).map_err(failed)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(start)
}

/// Reads a `state_dict`, which is the whole object or lies under a usual key.
fn torch(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    for key in [None].into_iter().chain(STATE_DICT_KEYS.map(Some)) {
        let Ok(tensors) = pickle::read_all_with_key(path, key) else { continue };
        if !tensors.is_empty() {
            return tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_device(device)?))).collect();
        }
    }
    bail!(
        "the file contains no tensors at its top or under {}; save a network's `state_dict()` with `torch.save`",
        STATE_DICT_KEYS.join(", ")
    )
}
