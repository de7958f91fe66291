//! Files of named tensors that PyTorch or a program here wrote.

use std::{collections::BTreeMap, fs::File, io::Read, panic::catch_unwind, path::Path};

use candle_core::{
    Device, Result, Tensor, bail,
    pickle::{PthTensors, read_pth_tensor_info},
    safetensors,
};

use crate::parameters::MAX_VALUES;

/// The keys under which a checkpoint of PyTorch keeps its `state_dict`, if it has more than that.
const KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Reads all tensors of a safetensors file or of a file that `torch.save` wrote, but for PyTorch's counters
/// `num_batches_tracked`. The contents of the file, not its name, decide which it is.
pub fn read(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    let mut tensors = match start[..] {
        // Candle panics on some pickles that are broken.
        [b'P', b'K', 3, 4] => match catch_unwind(|| read_pth(path)) {
            Ok(tensors) => tensors?,
            Err(_) => bail!("the file is broken, or holds something else than tensors by name"),
        },
        // The opcode that begins a pickle, and its version.
        [0x80, 2..=5, ..] if !is_length(path)? => bail!(
            "the file is a pickle that is not in a zip archive, as PyTorch wrote before version 1.6; load it in PyTorch and \
             save it again"
        ),
        _ => safetensors::load(path, &Device::Cpu)?.into_iter().collect(),
    };
    tensors.retain(|name: &String, _| !is_counter(name));
    tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_device(device)?))).collect()
}

/// Returns whether a tensor counts the batches that a batch normalisation has seen. PyTorch stores it and uses it only
/// if the layer has no momentum.
fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

/// Returns whether the first eight bytes may be the length of a safetensors header, which a `{` follows.
fn is_length(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut start)?;
    Ok(start.last() == Some(&b'{'))
}

fn read_pth(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let key = key(path)?;
    let file = PthTensors::new(path, key)?;
    let infos = file.tensor_infos().values().filter(|info| !is_counter(&info.name));
    // Checked before anything is allocated: a broken file may claim any size.
    let count = |info: &candle_core::pickle::TensorInfo| {
        info.layout.dims().iter().try_fold(1usize, |count, &size| count.checked_mul(size))
    };
    let all = infos.clone().try_fold(0usize, |all, info| all.checked_add(count(info)?));
    if all.is_none_or(|all| all > MAX_VALUES) {
        bail!("the tensors have more than {MAX_VALUES} values together")
    }
    let mut tensors = BTreeMap::new();
    for info in infos {
        let tensor = file.get(&info.name).map_err(|error| error.context(format!("tensor {}", info.name)))?;
        tensors.extend(tensor.map(|tensor| (info.name.clone(), tensor)));
    }
    Ok(tensors)
}

/// Returns the key under which the file has its `state_dict`; `None` if it is nothing else.
fn key(path: &Path) -> Result<Option<&'static str>> {
    if !read_pth_tensor_info(path, false, None)?.is_empty() {
        return Ok(None);
    }
    let has_tensors = |key: &&str| read_pth_tensor_info(path, false, Some(key)).is_ok_and(|infos| !infos.is_empty());
    match KEYS.into_iter().find(has_tensors) {
        Some(key) => Ok(Some(key)),
        None => bail!(
            "the file has no tensors by name, neither by itself nor under the keys {}; save `model.state_dict()` with \
             `torch.save`",
            KEYS.join(", ")
        ),
    }
}
