use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{DatasetError, Images, SourceFile, cifar, folder, idx};

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const FASHION: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
const CIFAR10: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Where Debian's package `dataset-fashion-mnist` puts its files.
const DEBIAN_FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// A data set, loaded.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// As [`DatasetId`] displays it.
    pub name: String,
    /// The classes' names; a label is an index into them.
    pub classes: Vec<String>,
    pub train: Images,
    /// Of the same shape as `train`.
    pub test: Images,
    /// What it was read from.
    pub files: Vec<SourceFile>,
}

/// Which data set: a name, or the path of an image folder. Parsed from what is typed and displayed the same way.
///
/// ```
/// # use datasets::DatasetId;
/// assert_eq!("fashion-mnist".parse::<DatasetId>()?, DatasetId::FashionMnist);
/// assert_eq!("my/shells".parse::<DatasetId>()?, DatasetId::Folder("my/shells".into()));
/// assert!("mnits".parse::<DatasetId>().is_err()); // neither a name nor a folder here
/// # Ok::<(), datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DatasetId {
    MnistMini,
    Mnist,
    FashionMnist,
    Cifar10,
    /// `train/CLASS/*` and `test/CLASS/*`, PNG or JPEG.
    Folder(PathBuf),
}

impl DatasetId {
    /// Name and one-line description of each data set that has a name.
    pub fn builtin() -> &'static [(&'static str, &'static str)] {
        &[
            (
                "mnist-mini",
                "handwritten digits, 1x28x28: the first 10,000 training and 2,000 test images of MNIST, embedded",
            ),
            ("mnist", "handwritten digits, 1x28x28: 60,000 training and 10,000 test images"),
            ("fashion-mnist", "clothes, 1x28x28: 60,000 training and 10,000 test images"),
            ("cifar10", "animals and vehicles, 3x32x32: 50,000 training and 10,000 test images"),
        ]
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            DatasetId::MnistMini => f.write_str("mnist-mini"),
            DatasetId::Mnist => f.write_str("mnist"),
            DatasetId::FashionMnist => f.write_str("fashion-mnist"),
            DatasetId::Cifar10 => f.write_str("cifar10"),
            DatasetId::Folder(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for DatasetId {
    type Err = DatasetError;

    /// A name of [`DatasetId::builtin`]; else a path, if it has more than one part or a folder of that name is there.
    fn from_str(text: &str) -> Result<Self, DatasetError> {
        let named = [DatasetId::MnistMini, DatasetId::Mnist, DatasetId::FashionMnist, DatasetId::Cifar10];
        if let Some(id) = named.into_iter().find(|id| id.to_string() == text) {
            return Ok(id);
        }
        let path = Path::new(text);
        if path.is_dir() || text.contains(std::path::is_separator) {
            return Ok(DatasetId::Folder(path.into()));
        }
        Err(DatasetError::UnknownDataset {
            given: text.into(),
            known: Self::builtin().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Where to look, and what image folders are resized to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The folder with the files of `mnist`, `fashion-mnist` or `cifar10`; the others have no use for it.
    pub data_dir: Option<PathBuf>,
    /// Channels (1 or 3), height and width of the images of a folder, 1×28×28 if not given; the data sets with a name
    /// have sizes of their own.
    pub input: Option<[usize; 3]>,
}

/// Loads a data set.
///
/// - `mnist-mini` is embedded.
/// - `mnist`, `fashion-mnist`: `data_dir` holds the four IDX files (`train-images-idx3-ubyte` or
///   `train-images.idx3-ubyte`, and so on), each gzipped or not.
/// - `cifar10`: `data_dir`, or `cifar-10-batches-bin` in it, holds the binary version's `data_batch_1.bin` to `_5.bin` and
///   `test_batch.bin`, each gzipped or not.
/// - Without `data_dir`, `fashion-mnist` is looked for where Debian's package puts it; then, with the feature `hub`, all
///   three are downloaded from the Hugging Face hub (and cached there).
/// - An image folder: the folders in `train/`, sorted by name, are the classes. Images are read as PNG or JPEG by their
///   content, not their name. Alpha is dropped, not composited; for one channel, colour becomes luma (Rec. 709), for
///   three, grey is repeated; then the image is squeezed to the input's height and width with a triangle filter widened
///   to the scale (antialiased bilinear). EXIF orientation is not applied. Only hidden files are passed over.
///
/// # Errors
/// The first thing that is wrong, as a [`DatasetError`] that names the file.
pub fn load(id: &DatasetId, options: &LoadOptions) -> Result<Dataset, DatasetError> {
    let (classes, (train, test, files)) = match id {
        DatasetId::MnistMini => (DIGITS, idx::read_embedded()?),
        DatasetId::Mnist => (DIGITS, read_or_download(id, options.data_dir.as_deref(), idx::read_folder)?),
        DatasetId::FashionMnist => {
            let debian = Path::new(DEBIAN_FASHION_MNIST);
            let folder = options.data_dir.as_deref().or(debian.is_dir().then_some(debian));
            (FASHION, read_or_download(id, folder, idx::read_folder)?)
        }
        DatasetId::Cifar10 => (CIFAR10, read_or_download(id, options.data_dir.as_deref(), cifar::read_folder)?),
        DatasetId::Folder(path) => return folder::read(path, options.input.unwrap_or([1, 28, 28])),
    };
    Ok(Dataset { name: id.to_string(), classes: classes.map(String::from).into(), train, test, files })
}

/// Training images, test images and what they were read from.
pub(crate) type Splits = (Images, Images, Vec<SourceFile>);

fn read_or_download(
    id: &DatasetId,
    folder: Option<&Path>,
    read: fn(&Path, usize) -> Result<Splits, DatasetError>,
) -> Result<Splits, DatasetError> {
    match folder {
        Some(folder) => read(folder, 10),
        None => download(id),
    }
}

#[cfg(feature = "hub")]
fn download(id: &DatasetId) -> Result<Splits, DatasetError> {
    crate::hub::download(id)
}

#[cfg(not(feature = "hub"))]
fn download(id: &DatasetId) -> Result<Splits, DatasetError> {
    Err(DatasetError::NotAtHand { dataset: id.to_string(), advice: advice(id) })
}

#[cfg(any(test, not(feature = "hub")))]
fn advice(id: &DatasetId) -> String {
    let debian = match id {
        DatasetId::FashionMnist => "install Debian's package dataset-fashion-mnist, ",
        _ => "",
    };
    let files = match id {
        DatasetId::Cifar10 => "CIFAR-10's binary files",
        _ => "the four IDX files",
    };
    format!(
        "give the folder with {files} (gzipped or not) as LoadOptions::data_dir (`--data-dir`), {debian}or build with the \
         feature `hub` to have it downloaded from the Hugging Face hub"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_name_parses_and_is_displayed_the_same_way() {
        for (name, _) in DatasetId::builtin() {
            let id: DatasetId = name.parse().unwrap();
            assert!(!matches!(id, DatasetId::Folder(_)));
            assert_eq!(id.to_string(), *name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_what_is_possible() {
        let message = "minst".parse::<DatasetId>().unwrap_err().to_string();
        assert!(
            message.contains("`minst`") && message.contains("mnist-mini, mnist, fashion-mnist, cifar10"),
            "{message}"
        );
        assert!(message.contains("train/CLASS"), "{message}");
    }

    #[test]
    fn a_path_is_an_image_folder_whether_it_is_there_or_not() {
        assert_eq!("no/such".parse::<DatasetId>().unwrap(), DatasetId::Folder("no/such".into()));
        assert_eq!("src".parse::<DatasetId>().unwrap(), DatasetId::Folder("src".into()));
    }

    #[test]
    fn the_advice_for_a_missing_data_set_names_option_feature_and_debian_package() {
        let message = advice(&DatasetId::Mnist);
        assert!(message.contains("LoadOptions::data_dir") && message.contains("feature `hub`"));
        assert!(!message.contains("Debian"));
        assert!(advice(&DatasetId::FashionMnist).contains("dataset-fashion-mnist"));
        assert!(advice(&DatasetId::Cifar10).contains("binary"));
    }
}
