use std::path::{Path, PathBuf};

use crate::{
    cifar,
    dataset::{DataFiles, Dataset},
    error::DatasetError,
    folder,
    id::DatasetId,
    idx,
    images::CACHE_BYTES,
};

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const FASHION: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
const CIFAR10: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The folder to which Debian's package `dataset-fashion-mnist` installs its files.
const DEBIAN_FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// The options of [`load`].
///
/// ```
/// # use datasets::LoadOptions;
/// let options = LoadOptions::default().input([3, 64, 64]);
/// assert_eq!((options.data_dir, options.input), (None, Some([3, 64, 64])));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The folder with the files of `mnist`, `fashion-mnist` or `cifar10`. Other data sets ignore it.
    pub data_dir: Option<PathBuf>,
    /// The number of channels (1 or 3), the height and the width that the images of a folder are converted to; 1×28×28
    /// by default. Data sets with a name have fixed shapes and ignore it.
    pub input: Option<[usize; 3]>,
    /// The memory in bytes for the decoded images of a folder; 512 MiB by default. Images beyond it are decoded again
    /// whenever they are needed, which changes no result. Other data sets ignore it.
    pub cache_bytes: Option<usize>,
}

impl LoadOptions {
    /// Sets the folder with the files of a data set.
    pub fn data_dir(self, folder: impl Into<Option<PathBuf>>) -> Self {
        Self { data_dir: folder.into(), ..self }
    }

    /// Sets the shape that the images of a folder are converted to.
    pub fn input(self, shape: impl Into<Option<[usize; 3]>>) -> Self {
        Self { input: shape.into(), ..self }
    }

    /// Sets the memory in bytes for the decoded images of a folder.
    pub fn cache_bytes(self, bytes: impl Into<Option<usize>>) -> Self {
        Self { cache_bytes: bytes.into(), ..self }
    }
}

/// Loads a data set.
///
/// - `mnist-mini` is embedded.
/// - `mnist` and `fashion-mnist`: `data_dir` holds the four IDX files `train-images-idx3-ubyte`,
///   `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, or those with a dot before
///   `idx`, each gzipped or not.
/// - `cifar10`: `data_dir` or its subfolder `cifar-10-batches-bin` holds the binary version, `data_batch_1.bin` to
///   `_5.bin` and `test_batch.bin`, each gzipped or not.
/// - Without `data_dir`, `fashion-mnist` is read from the folder of Debian's package `dataset-fashion-mnist`. With the
///   feature `hub`, all three are otherwise downloaded from the Hugging Face hub, which caches them.
/// - In an image folder, the folders in `train/`, sorted by name, are the classes. Files in them whose names end as
///   those of images do are read as PNG, JPEG, BMP or WebP, whichever the content is; images of other formats, and images
///   outside a class folder, are errors. Hidden files and files without the extension of an image, such as `Thumbs.db`,
///   are skipped and [counted](Dataset::skipped_files). Alpha is dropped without compositing. For one channel, colour is converted to
///   luma (Rec. 709); for three, grey is repeated. The image is then resized, regardless of its aspect ratio, by
///   antialiased bilinear interpolation (a triangle filter that widens with the scale), after it is turned upright as
///   its EXIF orientation says.
///
/// # Errors
/// The first problem that is found, as a [`DatasetError`] that names the file.
///
/// # Examples
/// ```
/// use datasets::{DatasetId, LoadOptions, load};
///
/// let data = load(&DatasetId::MnistMini, &LoadOptions::default())?;
/// assert_eq!((data.train.len(), data.test.len(), data.classes.len()), (10_000, 2_000, 10));
/// # Ok::<(), datasets::DatasetError>(())
/// ```
pub fn load(id: &DatasetId, options: &LoadOptions) -> Result<Dataset, DatasetError> {
    let (classes, data) = match id {
        DatasetId::MnistMini => (DIGITS, idx::read_embedded()?),
        DatasetId::Mnist => (DIGITS, read_or_download(id, options.data_dir.as_deref(), idx::read_folder)?),
        DatasetId::FashionMnist => {
            let debian = Path::new(DEBIAN_FASHION_MNIST);
            let folder = options.data_dir.as_deref().or(debian.is_dir().then_some(debian));
            (FASHION, read_or_download(id, folder, idx::read_folder)?)
        }
        DatasetId::Cifar10 => (CIFAR10, read_or_download(id, options.data_dir.as_deref(), cifar::read_folder)?),
        DatasetId::Folder(path) => {
            let (shape, cache) = (options.input.unwrap_or([1, 28, 28]), options.cache_bytes.unwrap_or(CACHE_BYTES));
            return folder::read(path, shape, cache);
        }
    };
    let DataFiles { train, test, files } = data;
    Ok(Dataset {
        name: id.to_string(),
        classes: classes.map(String::from).into(),
        train,
        test,
        files,
        skipped_files: 0,
    })
}

/// Reads a data set of ten classes from a folder, or downloads it if there is none.
fn read_or_download(
    id: &DatasetId,
    folder: Option<&Path>,
    read: fn(&Path, usize) -> Result<DataFiles, DatasetError>,
) -> Result<DataFiles, DatasetError> {
    match folder {
        Some(folder) => read(folder, 10),
        None => download(id),
    }
}

#[cfg(feature = "hub")]
fn download(id: &DatasetId) -> Result<DataFiles, DatasetError> {
    crate::hub::download(id)
}

#[cfg(not(feature = "hub"))]
fn download(id: &DatasetId) -> Result<DataFiles, DatasetError> {
    Err(DatasetError::Unavailable { dataset: id.to_string(), advice: advice(id) })
}

/// Returns the ways to make the files of a data set available.
#[cfg(any(test, not(feature = "hub")))]
fn advice(id: &DatasetId) -> String {
    let debian = match id {
        DatasetId::FashionMnist => "install Debian's package dataset-fashion-mnist, ",
        _ => "",
    };
    let files = match id {
        DatasetId::Cifar10 => "the binary files of CIFAR-10",
        _ => "the four IDX files",
    };
    format!(
        "set LoadOptions::data_dir to the folder with {files} (gzipped or not), {debian}or enable the feature `hub`, \
         which downloads them from the Hugging Face hub"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_for_a_missing_data_set_names_option_feature_and_debian_package() {
        let message = advice(&DatasetId::Mnist);
        assert!(message.contains("LoadOptions::data_dir") && message.contains("feature `hub`"));
        assert!(!message.contains("Debian"));
        assert!(advice(&DatasetId::FashionMnist).contains("dataset-fashion-mnist"));
        assert!(advice(&DatasetId::Cifar10).contains("binary"));
    }
}
