use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{
    canvas::Canvas, dataset::Dataset, error::DatasetError, id::DatasetId, images::Images, object::Object,
    printable::printable, standardization::Standardization,
};

/// The seed of the validation split, which is the same for all runs.
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

/// How the images of [`Splits`] depend on the seed of a run; see [`Splits::of_seed`].
#[derive(Clone, Debug)]
pub enum Resampling {
    /// All seeds have the same images.
    None,
    /// Each seed draws its own training images.
    Subset {
        /// The images that it draws from, before they are placed on a canvas.
        from: Images,
        /// The number of images that it draws.
        size: usize,
    },
    /// Each seed holds out another part of all training images, for validation and as test images, and trains on the rest.
    Fold {
        /// The number of parts.
        folds: usize,
        /// The number of training images that it draws from the rest; all of them if `None`.
        size: Option<usize>,
    },
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
    /// The training images: those of seed 0 if each seed draws its own.
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
    /// How the images depend on the seed.
    pub resampling: Resampling,
    /// All training images, also those held out, before they are placed on a canvas.
    pub all_train: Images,
    /// The data set's [fingerprint](Dataset::fingerprint).
    pub fingerprint: String,
}

impl Dataset {
    /// Holds out validation images, takes training subsets and places all images on canvases. The result is ordered by
    /// canvas, then by training size. Every call splits alike. The validation images are the same for all seeds of a run;
    /// subsets are drawn by [`Splits::of_seed`].
    ///
    /// # Errors
    /// More images than there are, canvases that do not fit, and images that cannot be read.
    pub fn splits(self, id: &DatasetId, options: &SplitOptions) -> Result<Vec<Splits>, DatasetError> {
        let (fingerprint, name) = (self.fingerprint()?, short_name(id, &self.name));
        let (rest, validation) = match options.validation.min(self.train.len() / 10) {
            0 => (self.train.clone(), None),
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
            for &size in &options.train_sizes {
                let subset = size.map(|size| rest.stratified_subset(size, SPLIT_SEED)).transpose()?;
                let (train, train_objects, standardization) = for_training(canvas, subset.as_ref().unwrap_or(&rest))?;
                all.push(Splits {
                    id: id.clone(),
                    name: name.clone(),
                    classes: self.classes.len(),
                    class_names: self.classes.clone(),
                    canvas,
                    standardization,
                    train,
                    validation: held_out.clone(),
                    test: test.clone(),
                    original_test: self.test.clone(),
                    train_objects,
                    validation_objects: validation_objects.clone(),
                    test_objects: test_objects.clone(),
                    resampling: match size {
                        Some(size) => Resampling::Subset { from: rest.clone(), size },
                        None => Resampling::None,
                    },
                    all_train: self.train.clone(),
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
    /// The images that the runs of a seed see. They differ from those of other seeds as [`resampling`](Self::resampling)
    /// says: the training images that are drawn for the seed, or the part that is held out for it.
    ///
    /// # Errors
    /// Images that cannot be read, and parts that leave none for training.
    ///
    /// # Examples
    /// ```
    /// # use datasets::{DatasetId, LoadOptions, SplitOptions, load};
    /// let options = SplitOptions { canvases: vec![None], train_sizes: vec![Some(100)], validation: 1000 };
    /// let splits = load(&DatasetId::MnistMini, &LoadOptions::default())?.splits(&DatasetId::MnistMini, &options)?.remove(0);
    /// let (first, second) = (splits.of_seed(1)?, splits.of_seed(2)?);
    /// assert_eq!((first.train.len(), second.train.len()), (100, 100));
    /// assert!(first.train != second.train && first.validation == second.validation);
    /// # Ok::<(), datasets::DatasetError>(())
    /// ```
    pub fn of_seed(&self, seed: u64) -> Result<Splits, DatasetError> {
        let (originals, held_out) = match &self.resampling {
            Resampling::None => return Ok(self.clone()),
            Resampling::Subset { from, size } => (from.stratified_subset(*size, seed)?, None),
            Resampling::Fold { folds, size } => {
                let (rest, held_out) = self.all_train.stratified_fold((seed % *folds as u64) as usize, *folds);
                let size = size.unwrap_or(rest.len()).min(rest.len());
                (rest.stratified_subset(size, seed)?, Some(held_out))
            }
        };
        let (train, train_objects, standardization) = for_training(self.canvas, &originals)?;
        let splits = Splits { train, train_objects, standardization, ..self.clone() };
        let Some(held_out) = held_out else { return Ok(splits) };
        let validation = place(self.canvas, &held_out, Part::Validation)?;
        let objects = objects(self.canvas, &held_out, Part::Validation)?;
        Ok(Splits {
            test: validation.clone(),
            validation: Some(validation),
            test_objects: objects.clone(),
            validation_objects: objects,
            ..splits
        })
    }

    /// The same data for the choice of options by cross-validation: a seed gets the part `seed mod folds` of all training
    /// images as validation images and in the place of the test images, and the rest, or a subset
    /// of it, as training images.
    ///
    /// # Errors
    /// Images that cannot be read, and fewer than two.
    ///
    /// # Panics
    /// [`of_seed`](Self::of_seed) panics for 0 parts.
    pub fn in_folds(&self, folds: usize) -> Result<Self, DatasetError> {
        let size = match self.resampling {
            Resampling::Subset { size, .. } => Some(size),
            _ => None,
        };
        let empty = self.all_train.subset(&[]);
        Splits { resampling: Resampling::Fold { folds, size }, original_test: empty, ..self.clone() }.of_seed(0)
    }

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

/// The originals on their canvas, the objects on them, and their statistics.
fn for_training(
    canvas: Option<Canvas>,
    originals: &Images,
) -> Result<(Images, Option<Vec<Object>>, Standardization), DatasetError> {
    let train = place(canvas, originals, Part::Train)?;
    let standardization = Standardization::of(&train)?;
    Ok((train, objects(canvas, originals, Part::Train)?, standardization))
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
    fn seeds_draw_their_own_subsets_and_share_the_validation_images() {
        let options = SplitOptions { canvases: vec![None], train_sizes: vec![Some(300), None], validation: 200 };
        let all = splits(&options).unwrap();
        let of_seeds: Vec<Splits> = (0..3).map(|seed| all[0].of_seed(seed).unwrap()).collect();
        assert_eq!(of_seeds[0].train, all[0].train);
        for (of_seed, next) in of_seeds.iter().zip(&of_seeds[1..]) {
            assert_eq!(of_seed.train.class_counts(10), next.train.class_counts(10));
            assert_eq!((&of_seed.validation, &of_seed.test), (&next.validation, &next.test));
            let shared = (0..300).filter(|&index| {
                let image = of_seed.train.image(index).unwrap();
                (0..300).any(|other| next.train.image(other).unwrap() == image)
            });
            assert!(shared.count() < 60); // About 300 × 300 / 9,800.
        }
        assert_ne!(of_seeds[1].standardization, all[0].standardization);
        assert_eq!(all[1].of_seed(1).unwrap().train, all[1].train);
    }

    #[test]
    fn folds_hold_out_every_training_image_once_and_no_test_image() {
        let options = SplitOptions {
            canvases: vec![Some(Canvas::Scattered { size: 40, clutter: 0 })],
            train_sizes: vec![None],
            validation: 200,
        };
        let whole = splits(&options).unwrap().remove(0);
        let folds = whole.in_folds(4).unwrap();
        let mut held_out = 0;
        for seed in 8..12 {
            let fold = folds.of_seed(seed).unwrap();
            let validation = fold.validation.unwrap();
            assert_eq!((validation.len() + fold.train.len(), fold.test), (10_000, validation.clone()));
            assert_eq!(fold.test_objects.unwrap().len(), validation.len());
            held_out += validation.len();
        }
        assert_eq!((held_out, folds.original_test.len()), (10_000, 0));
        assert_eq!(folds.train, folds.of_seed(0).unwrap().train);
    }

    #[test]
    fn without_held_out_images_there_is_nothing_to_tune_on_and_too_many_images_are_an_error() {
        let options = SplitOptions { canvases: vec![None], train_sizes: vec![None], validation: 0 };
        assert!(splits(&options).unwrap()[0].without_test().is_none());
        let error = splits(&SplitOptions { train_sizes: vec![Some(1 << 20)], ..options }).unwrap_err();
        assert!(error.to_string().contains("1048576 images cannot be taken"), "{error}");
    }
}
