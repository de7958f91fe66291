//! Downloads through candle-datasets. It gives tensors of numbers from 0 to 1; here they become the bytes again.

use std::any::Any;

use candle_core::{DType, Result, Tensor};

/// The bytes `v` of which `numbers` are the quotients v / 255, in row-major order. Exact, as the rounding of a quotient is
/// off by far less than half a step. Goes through the first axis by parts, as CIFAR-10 as numbers is large.
fn bytes_of(numbers: &Tensor) -> Result<Vec<u8>> {
    let count = numbers.dim(0)?;
    let mut bytes = Vec::with_capacity(numbers.elem_count());
    for start in (0..count).step_by(1000) {
        let part = numbers.narrow(0, start, 1000.min(count - start))?.to_dtype(DType::F32)?;
        bytes.extend(part.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|value| (value * 255.).round() as u8));
    }
    Ok(bytes)
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(feature = "hub")]
pub(crate) use download::download;

#[cfg(feature = "hub")]
mod download {
    use candle_core::{DType, Tensor};
    use candle_datasets::vision;
    use sha2::{Digest, Sha256};

    use super::{bytes_of, message};
    use crate::{DatasetError, DatasetId, Images, SourceFile, dataset::Splits, source::hex};

    /// Training images, test images and their checksums.
    pub(crate) fn download(id: &DatasetId) -> Result<Splits, DatasetError> {
        let failed = |reason: String| DatasetError::Hub { dataset: id.to_string(), reason };
        let (repository, shape, load): (_, _, fn() -> candle_core::Result<vision::Dataset>) = match id {
            DatasetId::Mnist => ("ylecun/mnist", [1, 28, 28], vision::mnist::load),
            DatasetId::FashionMnist => ("zalando-datasets/fashion_mnist", [1, 28, 28], vision::fashion_mnist::load),
            DatasetId::Cifar10 => ("cifar10", [3, 32, 32], vision::cifar::load),
            DatasetId::MnistMini | DatasetId::Folder(_) => return Err(failed("it is not there".into())),
        };
        // candle-datasets panics where an image in the download cannot be decoded.
        let advice = "delete the download from the hub's cache and try again";
        let loaded = std::panic::catch_unwind(load)
            .map_err(|panic| failed(format!("candle-datasets panicked ({}); {advice}", message(&*panic))))?
            .map_err(|error| failed(error.to_string()))?;

        let split = |name: &str, images: Tensor, labels: Tensor| {
            let converted = || -> candle_core::Result<_> {
                // candle-datasets 0.11 swaps the rows and columns of CIFAR-10's images, but only of those from the hub.
                let images = if images.rank() == 4 { images.transpose(2, 3)? } else { images };
                Ok((bytes_of(&images)?, labels.to_dtype(DType::U32)?.to_vec1::<u32>()?))
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
            let file = SourceFile {
                path: format!("hub:{repository}/{name}").into(),
                sha256: hex(Sha256::new_with_prefix(&pixels).chain_update(&label_bytes)),
                bytes: (pixels.len() + label_bytes.len()) as u64,
            };
            Ok((Images::new(shape, pixels, labels)?, file))
        };
        let (train, train_file) = split("train", loaded.train_images, loaded.train_labels)?;
        let (test, test_file) = split("test", loaded.test_images, loaded.test_labels)?;
        Ok((train, test, vec![train_file, test_file]))
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
        assert_eq!(bytes_of(&numbers).unwrap(), bytes);
    }

    #[test]
    fn a_transposed_tensor_gives_its_bytes_in_its_own_order() {
        let numbers = Tensor::from_vec(vec![0f32, 1., 0.2, 0.4], (1, 2, 2), &Device::Cpu).unwrap();
        assert_eq!(bytes_of(&numbers.transpose(1, 2).unwrap()).unwrap(), [0, 51, 255, 102]);
    }

    #[test]
    fn a_panic_is_told_by_its_message() {
        assert_eq!(message(&"written out"), "written out");
        assert_eq!(message(&String::from("put together")), "put together");
        assert_eq!(message(&7), "without a message");
    }
}
