use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::error::DatasetError;

/// The identifier of a data set: a name, or the path of an image folder. It parses what it displays.
///
/// ```
/// # use datasets::DatasetId;
/// assert_eq!("fashion-mnist".parse::<DatasetId>()?, DatasetId::FashionMnist);
/// assert_eq!("my/shells".parse::<DatasetId>()?, DatasetId::Folder("my/shells".into()));
/// assert!("mnits".parse::<DatasetId>().is_err()); // neither a name nor an existing folder
/// # Ok::<(), datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatasetId {
    /// The embedded sample of MNIST.
    MnistMini,
    /// MNIST (LeCun, Cortes & Burges 1998).
    Mnist,
    /// Fashion-MNIST (Xiao, Rasul & Vollgraf 2017).
    FashionMnist,
    /// CIFAR-10 (Krizhevsky 2009).
    Cifar10,
    /// A folder of PNG, JPEG, BMP or WebP images, `train/CLASS/*` and `test/CLASS/*`.
    Folder(PathBuf),
}

impl DatasetId {
    /// Returns the name and a one-line description of each data set that has a name.
    pub fn builtin() -> &'static [(&'static str, &'static str)] {
        &[
            (
                "mnist-mini",
                "handwritten digits, 1x28x28: 10,000 training and 2,000 test images from all of MNIST, embedded",
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

    /// Parses a name of [`DatasetId::builtin`]. Any other text is a path if it has several parts or an existing folder
    /// has that name.
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
}
