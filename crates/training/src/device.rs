use std::{fmt, str::FromStr};

use candle_core::Device;

/// The kind of device that a network is trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU of NVIDIA.
    Cuda,
    /// A GPU of Apple.
    Metal,
}

impl DeviceKind {
    const ALL: [Self; 3] = [Self::Cpu, Self::Cuda, Self::Metal];

    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// Returns whether this build supports the device: all but the CPU need a feature of this crate.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        }
    }

    /// Opens the first device of this kind.
    ///
    /// # Errors
    /// A device that this build does not support or this computer does not have.
    pub fn open(self) -> candle_core::Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => Device::new_cuda(0),
            Self::Metal => Device::new_metal(0),
        }
    }
}

/// Runs a step of training with tensors of `device`: on the CPU within [`ops::keep_threads_awake`], elsewhere as it is.
///
/// [`fit`](crate::fit) does this by itself; use it in a training loop of your own for all from the forward pass to the update
/// of the weights, but not for loading the batch.
pub fn on_awake_threads<R>(device: &Device, step: impl FnOnce() -> R) -> R {
    if device.is_cpu() { ops::keep_threads_awake(step) } else { step() }
}

impl FromStr for DeviceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|device| device.name() == text);
        found.ok_or_else(|| format!("unknown device `{text}`; possible are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}
