use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{
    canvas::Canvas, dataset::Dataset, error::DatasetError, id::DatasetId, images::Images, object::Object,
    printable::printable, standardization::Standardization,
};

/// The seed of the validation split and of the training subsets.
const SPLIT_SEED: u64 = 0;

/// The parts of a data set. Each is placed on its canvases with its own seed.
#[derive(Clone, Copy)]
enum Part {
    Train = 0,
    Validation = 1,
    Test = 2,
}

/// The ways in which [`Dataset::splits`] splits a data set: one for every combination of canvas and training size.
#[derive(Clone, Debug)]
pub struct SplitOptions {
    /// The canvases that all images are placed on; `None` leaves the images as they are.
    pub canvases: Vec<Option<Canvas>>,
    /// The numbers of training images; `None` uses all that are not held out.
    pub train_sizes: Vec<Option<usize>>,
    /// The number of training images that are held out for validation, limited to a tenth of them.
    pub validation: usize,
}

/// The images that a network is trained and measured on, as bytes. Batches are standardised when they are drawn.
#[derive(Clone, Debug)]
pub struct Splits {
    /// The data set.
    pub id: DatasetId,
    /// The data set's name, without the path of a folder.
    pub name: String,
    /// The number of classes.
    pub classes: usize,
    /// The names of the classes. A label is an index into them.
    pub class_names: Vec<String>,
    /// The canvas that the images lie on; `None` if they are as they were read.
    pub canvas: Option<Canvas>,
    /// The training images.
    pub train: Images,
    /// The images held out of the training images; `None` if none are.
    pub validation: Option<Images>,
    /// The test images on the canvas.
    pub test: Images,
    /// The test images before they are placed on a canvas.
    pub original_test: Images,
    /// The object on each training image, where the canvas determines it.
    pub train_objects: Option<Vec<Object>>,
    /// The object on each validation image, where the canvas determines it.
    pub validation_objects: Option<Vec<Object>>,
    /// The object on each test image, where the canvas determines it.
    pub test_objects: Option<Vec<Object>>,
    /// The statistics of the training images.
    pub standardization: Standardization,
    /// The data set's [fingerprint](Dataset::fingerprint).
    pub fingerprint: String,
}

impl Dataset {
    /// Holds out validation images, takes training subsets and places all images on canvases. The result is ordered by
    /// canvas, then by training size. Every call splits alike.
    ///
    /// # Errors
    /// More images than there are, canvases that do not fit, and images that cannot be read.
    pub fn splits(self, id: &DatasetId, options: &SplitOptions) -> Result<Vec<Splits>, DatasetError> {
        let (fingerprint, name) = (self.fingerprint()?, short_name(id, &self.name));
        let (rest, validation) = match options.validation.min(self.train.len() / 10) {
            0 => (self.train, None),
            held_out => {
                let (rest, validation) = self.train.stratified_split(held_out, SPLIT_SEED)?;
                (rest, Some(validation))
            }
        };
        let mut all = Vec::new();
        for &canvas in &options.canvases {
            let (mut held_out, mut validation_objects) = (None, None);
            if let Some(images) = &validation {
                held_out = Some(place(canvas, images, Part::Validation)?);
                validation_objects = objects(canvas, images, Part::Validation)?;
            }
            let test = place(canvas, &self.test, Part::Test)?;
            let test_objects = objects(canvas, &self.test, Part::Test)?;
            for size in &options.train_sizes {
                let subset = size.map(|size| rest.stratified_subset(size, SPLIT_SEED)).transpose()?;
                let originals = subset.as_ref().unwrap_or(&rest);
                let train = place(canvas, originals, Part::Train)?;
                all.push(Splits {
                    id: id.clone(),
                    name: name.clone(),
                    classes: self.classes.len(),
                    class_names: self.classes.clone(),
                    canvas,
                    standardization: Standardization::of(&train)?,
                    train,
                    validation: held_out.clone(),
                    test: test.clone(),
                    original_test: self.test.clone(),
                    train_objects: objects(canvas, originals, Part::Train)?,
                    validation_objects: validation_objects.clone(),
                    test_objects: test_objects.clone(),
                    fingerprint: fingerprint.clone(),
                });
            }
        }
        Ok(all)
    }

    /// A hash of all images and labels, 16 hexadecimal digits: equal for equal content, whichever files it was read from.
    ///
    /// # Errors
    /// Images that cannot be read; see [`Images::image`].
    pub fn fingerprint(&self) -> Result<String, DatasetError> {
        let mut hash = Sha256::new();
        for images in [&self.train, &self.test] {
            hash.update(format!("{:?} {} ", images.shape, images.len()));
            images.visit(|image| hash.update(image))?;
            images.labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        }
        Ok(hex::encode(hash.finalize())[..16].into())
    }
}

impl Splits {
    /// The same data with the validation images in the place of the test images; `None` if none are held out.
    pub fn without_test(&self) -> Option<Self> {
        let test_objects = self.validation_objects.clone();
        Some(Self {
            test: self.validation.clone()?,
            test_objects,
            original_test: self.train.subset(&[]),
            ..self.clone()
        })
    }
}

fn place(canvas: Option<Canvas>, images: &Images, part: Part) -> Result<Images, DatasetError> {
    canvas.map_or_else(|| Ok(images.clone()), |canvas| canvas.place(images, part as u64))
}

fn objects(canvas: Option<Canvas>, images: &Images, part: Part) -> Result<Option<Vec<Object>>, DatasetError> {
    canvas.map_or(Ok(None), |canvas| canvas.objects(images, part as u64))
}

/// The name of a data set in tables and file names. A folder's path is left out, since the fingerprint identifies it, and
/// characters that cannot be printed are escaped.
fn short_name(id: &DatasetId, name: &str) -> String {
    match (id, Path::new(name).file_name()) {
        (DatasetId::Folder(_), Some(last)) => printable(&last.to_string_lossy()),
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{LoadOptions, load};

    fn splits(options: &SplitOptions) -> Result<Vec<Splits>, DatasetError> {
        load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap().splits(&DatasetId::MnistMini, options)
    }

    #[test]
    fn every_canvas_and_training_size_has_its_splits_and_no_image_is_in_two_of_them() {
        let canvases = vec![None, Some(Canvas::Centred { size: 32 })];
        let all = splits(&SplitOptions { canvases, train_sizes: vec![Some(100), None], validation: 200 }).unwrap();
        let sizes: Vec<_> = all.iter().map(|splits| (splits.train.shape[1], splits.train.len())).collect();
        let whole = all[1].train.len();
        assert_eq!(sizes, [(28, 100), (28, whole), (32, 100), (32, whole)]);
        for splits in &all {
            let validation = splits.validation.as_ref().unwrap();
            assert_eq!((validation.len(), validation.shape), (200, splits.test.shape));
            let held_out: Vec<_> = (0..200).map(|index| validation.image(index).unwrap()).collect();
            assert!((0..splits.train.len()).all(|index| !held_out.contains(&splits.train.image(index).unwrap())));
        }
        assert_eq!(all[2].validation_objects.as_ref().unwrap().len(), 200);
        let tuning = all[2].without_test().unwrap();
        assert_eq!(
            (Some(&tuning.test), &tuning.test_objects),
            (all[2].validation.as_ref(), &all[2].validation_objects)
        );
        assert_eq!(tuning.original_test.len(), 0);
    }

    #[test]
    fn without_held_out_images_there_is_nothing_to_tune_on_and_too_many_images_are_an_error() {
        let options = SplitOptions { canvases: vec![None], train_sizes: vec![None], validation: 0 };
        assert!(splits(&options).unwrap()[0].without_test().is_none());
        let error = splits(&SplitOptions { train_sizes: vec![Some(1 << 20)], ..options }).unwrap_err();
        assert!(error.to_string().contains("1048576 images cannot be taken"), "{error}");
    }
}
