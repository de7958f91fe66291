//! Downloads data sets with candle-datasets, which returns tensors with values from 0 to 1, and converts them to bytes.

use std::any::Any;

use candle_core::{DType, Result, Tensor};

/// Converts the quotients v / 255 back to the bytes v, in row-major order. This is exact, since rounding a quotient
/// changes it by far less than half a step. The first axis is converted in parts, because CIFAR-10 in f32 is large.
fn to_bytes(quotients: &Tensor) -> Result<Vec<u8>> {
    let count = quotients.dim(0)?;
    let mut bytes = Vec::with_capacity(quotients.elem_count());
    for start in (0..count).step_by(1000) {
        let part = quotients.narrow(0, start, 1000.min(count - start))?.to_dtype(DType::F32)?;
        bytes.extend(part.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|value| (value * 255.).round() as u8));
    }
    Ok(bytes)
}

/// Returns the message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(feature = "hub")]
pub use download::download;

#[cfg(feature = "hub")]
mod download {
    use candle_core::{DType, Tensor};
    use candle_datasets::vision;
    use sha2::{Digest, Sha256};

    use super::{panic_message, to_bytes};
    use crate::{checksum::FileChecksum, dataset::DataFiles, error::DatasetError, id::DatasetId, images::Images};

    /// Downloads a data set, or reads it from the cache of the hub.
    pub fn download(id: &DatasetId) -> Result<DataFiles, DatasetError> {
        let failed = |reason: String| DatasetError::Hub { dataset: id.to_string(), reason };
        let (repository, shape, load): (_, _, fn() -> candle_core::Result<vision::Dataset>) = match id {
            DatasetId::Mnist => ("ylecun/mnist", [1, 28, 28], vision::mnist::load),
            DatasetId::FashionMnist => ("zalando-datasets/fashion_mnist", [1, 28, 28], vision::fashion_mnist::load),
            DatasetId::Cifar10 => ("cifar10", [3, 32, 32], vision::cifar::load),
            DatasetId::MnistMini | DatasetId::Folder(_) => {
                return Err(failed("the hub does not hold it; possible are mnist, fashion-mnist and cifar10".into()));
            }
        };
        // candle-datasets panics if an image in the download cannot be decoded.
        let advice = "delete the download from the hub's cache and try again";
        let loaded = std::panic::catch_unwind(load)
            .map_err(|panic| failed(format!("candle-datasets panicked ({}); {advice}", panic_message(&*panic))))?
            .map_err(|error| failed(error.to_string()))?;

        let split = |name: &str, images: Tensor, labels: Tensor| {
            let converted = || -> candle_core::Result<_> {
                // candle-datasets 0.11 transposes the images of CIFAR-10, but only of those from the hub.
                let images = if images.rank() == 4 { images.transpose(2, 3)? } else { images };
                Ok((to_bytes(&images)?, labels.to_dtype(DType::U32)?.to_vec1::<u32>()?))
            };
            let (pixels, labels) = converted().map_err(|error| failed(error.to_string()))?;
            let classes = 10;
            if let Some(label) = labels.iter().find(|&&label| label >= classes) {
                return Err(failed(format!("label {label} is out of range, there are {classes} classes (0 to 9)")));
            }
            if labels.is_empty() {
                return Err(failed(format!("{name} has no images")));
            }
            let label_bytes: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
            let file = FileChecksum {
                path: format!("hub:{repository}/{name}").into(),
                sha256: hex::encode(Sha256::new_with_prefix(&pixels).chain_update(&label_bytes).finalize()),
                bytes: (pixels.len() + label_bytes.len()) as u64,
            };
            Ok((Images::new(shape, pixels, labels)?, file))
        };
        let (train, train_file) = split("train", loaded.train_images, loaded.train_labels)?;
        let (test, test_file) = split("test", loaded.test_images, loaded.test_labels)?;
        Ok(DataFiles { train, test, files: vec![train_file, test_file] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn every_byte_survives_the_way_through_numbers_from_0_to_1() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2_560).collect();
        let tensor = Tensor::from_vec(bytes.clone(), (1_280, 2), &Device::Cpu).unwrap();
        let numbers = (tensor.to_dtype(DType::F32).unwrap() / 255.).unwrap();
        assert_eq!(to_bytes(&numbers).unwrap(), bytes);
    }

    #[test]
    fn a_transposed_tensor_gives_its_bytes_in_its_own_order() {
        let numbers = Tensor::from_vec(vec![0f32, 1., 0.2, 0.4], (1, 2, 2), &Device::Cpu).unwrap();
        assert_eq!(to_bytes(&numbers.transpose(1, 2).unwrap()).unwrap(), [0, 51, 255, 102]);
    }

    #[test]
    fn a_panic_is_told_by_its_message() {
        assert_eq!(panic_message(&"written out"), "written out");
        assert_eq!(panic_message(&String::from("put together")), "put together");
        assert_eq!(panic_message(&7), "without a message");
    }
}
