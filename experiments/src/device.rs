//! The device that a run trains on.

use std::{fmt, str::FromStr};

use candle_core::Device;

use crate::misuse::Misuse;

/// The kind of device that a run trains on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    #[default]
    Cpu,
    Cuda,
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

    /// Checks that this build supports the device.
    ///
    /// # Errors
    /// [`Misuse`] that names the missing feature.
    pub fn check_support(self) -> Result<(), Misuse> {
        let supported = match self {
            Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        };
        if supported {
            return Ok(());
        }
        Err(Misuse::new(format!(
            "--device {self} is not supported by this build; build it with `cargo run -p experiments --features {self} \
             -- …`"
        )))
    }

    /// Opens the first device of this kind.
    pub fn open(self) -> candle_core::Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => Device::new_cuda(0),
            Self::Metal => Device::new_metal(0),
        }
    }
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
