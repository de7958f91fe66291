//! Reads the tensors of a file of weights: safetensors, or what `torch.save` writes.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    panic::{UnwindSafe, catch_unwind, set_hook, take_hook},
    path::Path,
    sync::Once,
    thread,
};

use candle_core::{Context, Device, Error, Result, Tensor, bail, pickle, safetensors};

/// The keys under which training programs keep the `state_dict` among other things.
const STATE_DICT_KEYS: [&str; 4] = ["state_dict", "model_state_dict", "model", "net"];

/// Reads all tensors by name, except PyTorch's counters `num_batches_tracked`. The content decides the format, not the
/// name: a file of `torch.save` is a ZIP archive.
pub fn read(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let tensors = match start(path)? {
        // Candle panics on some pickles that are broken.
        [b'P', b'K', 3, 4, ..] => match catch_quietly(|| torch(path)) {
            Ok(tensors) => tensors,
            Err(_) => bail!("{} is broken, or holds something else than tensors by name", path.display()),
        },
        // A safetensors file begins with the length of its header in eight bytes, which may be these, and a brace.
        [0x80, 2..=5, .., last] if last != b'{' => {
            bail!("{} is written by PyTorch before version 1.6; load it there and save it again", path.display())
        }
        _ => safetensors::load(path, &Device::Cpu).map(BTreeMap::from_iter),
    };
    let mut tensors: BTreeMap<String, Tensor> = tensors.map_err(|error| error.with_path(path))?;
    tensors.retain(|name, _| name.rsplit('.').next() != Some("num_batches_tracked"));
    tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_device(device)?))).collect()
}

/// Calls `read`, and catches a panic without its message.
fn catch_quietly<T>(read: impl FnOnce() -> T + UnwindSafe) -> thread::Result<T> {
    thread_local!(static IS_QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                told(panic);
            }
        }));
    });
    IS_QUIET.set(true);
    let result = catch_unwind(read);
    IS_QUIET.set(false);
    result
}

/// The first bytes of a file; zeros where it is shorter.
fn start(path: &Path) -> Result<[u8; 9]> {
    let (mut start, mut read) = ([0; 9], 0);
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
fn torch(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    for key in [None].into_iter().chain(STATE_DICT_KEYS.map(Some)) {
        // An error in the list of tensors only says that the key is not there, but one in a tensor is to be told.
        if pickle::read_pth_tensor_info(path, false, key).is_ok_and(|tensors| !tensors.is_empty()) {
            let advice = "a tensor cannot be read; call `contiguous()` on it before it is saved";
            return pickle::read_all_with_key(path, key).context(advice).map(BTreeMap::from_iter);
        }
    }
    bail!(
        "the file contains no tensors at its top or under {}; save a network's `state_dict()` with `torch.save`",
        STATE_DICT_KEYS.join(", ")
    )
}
