//! Stratified splits and subsets, in which every class keeps its share.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use crate::{
    error::DatasetError,
    images::Images,
    random::{shuffle, stream},
};

impl Images {
    /// Splits off `held_out` images for validation, and returns the remaining and the held-out images.
    ///
    /// Each class contributes its share, rounded by largest remainder (ties go to the lower class). `seed` determines
    /// which of its images are held out. Both parts keep the order of the images.
    ///
    /// # Errors
    /// [`DatasetError::InvalidCount`] if no image would remain.
    ///
    /// # Examples
    /// ```
    /// # use datasets::Images;
    /// let images = Images::new([1, 1, 1], vec![0; 10], vec![0, 0, 0, 0, 0, 0, 1, 1, 1, 1])?;
    /// let (rest, held_out) = images.stratified_split(5, 0)?;
    /// assert_eq!(rest.class_counts(2), [3, 2]);
    /// assert_eq!(held_out.class_counts(2), [3, 2]);
    /// # Ok::<(), datasets::DatasetError>(())
    /// ```
    pub fn stratified_split(&self, held_out: usize, seed: u64) -> Result<(Images, Images), DatasetError> {
        if held_out >= self.len() {
            return Err(DatasetError::InvalidCount {
                purpose: "held out",
                requested: held_out,
                available: self.len(),
                least: 0,
                most: self.len().saturating_sub(1),
            });
        }
        Ok(self.parted(&self.draw(held_out, &mut stream(b"held-out split", seed, 0))))
    }

    /// Returns `count` of the images, in which each class has its share as in
    /// [`stratified_split`](Self::stratified_split).
    ///
    /// # Errors
    /// [`DatasetError::InvalidCount`] if `count` is 0 or larger than the number of images.
    pub fn stratified_subset(&self, count: usize, seed: u64) -> Result<Images, DatasetError> {
        if count == 0 || count > self.len() {
            return Err(DatasetError::InvalidCount {
                purpose: "taken",
                requested: count,
                available: self.len(),
                least: 1,
                most: self.len(),
            });
        }
        let picked = self.draw(count, &mut stream(b"subset", seed, 0));
        Ok(self.subset(&(0..self.len()).filter(|&index| picked[index]).collect::<Vec<_>>()))
    }

    /// Divides the images into `folds` parts for cross-validation, and returns all but those of part `index`, and those of
    /// this part. Every image is in exactly one part, and the parts differ by at most one image, in all and of each class.
    /// Both results keep the order of the images.
    ///
    /// # Panics
    /// Panics if there is no part `index`.
    ///
    /// # Examples
    /// ```
    /// # use datasets::Images;
    /// let images = Images::new([1, 1, 1], vec![0; 9], vec![0, 0, 0, 0, 0, 0, 1, 1, 1])?;
    /// let (rest, held_out) = images.stratified_fold(2, 3);
    /// assert_eq!((rest.class_counts(2), held_out.class_counts(2)), (vec![4, 2], vec![2, 1]));
    /// # Ok::<(), datasets::DatasetError>(())
    /// ```
    pub fn stratified_fold(&self, index: usize, folds: usize) -> (Images, Images) {
        assert!(index < folds, "part {index} of {folds}");
        let mut members = self.members();
        let mut rng = stream(b"folds", 0, 0);
        members.values_mut().for_each(|members| shuffle(members, &mut rng));
        let mut is_held_out = vec![false; self.len()];
        // The classes are dealt out one after the other, so that neither they nor the parts get uneven.
        members.values().flatten().skip(index).step_by(folds).for_each(|&image| is_held_out[image] = true);
        self.parted(&is_held_out)
    }

    /// Draws `count` images, each class with its share, and returns whether each image is drawn.
    fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<bool> {
        let members = self.members();
        let sizes: Vec<usize> = members.values().map(Vec::len).collect();
        let mut picked = vec![false; self.len()];
        for (mut members, share) in members.into_values().zip(apportion(count, &sizes)) {
            shuffle(&mut members, rng);
            members[..share].iter().for_each(|&index| picked[index] = true);
        }
        picked
    }

    /// The indices of each class's images.
    fn members(&self) -> BTreeMap<u32, Vec<usize>> {
        let mut members = BTreeMap::<u32, Vec<usize>>::new();
        for (index, &label) in self.labels.iter().enumerate() {
            members.entry(label).or_default().push(index);
        }
        members
    }

    /// The images that are not picked, and those that are.
    fn parted(&self, picked: &[bool]) -> (Images, Images) {
        let indices = |wanted| (0..self.len()).filter(|&index| picked[index] == wanted).collect::<Vec<_>>();
        (self.subset(&indices(false)), self.subset(&indices(true)))
    }
}

/// Apportions `count` to classes of these sizes by largest remainder. A share never exceeds its size, provided that
/// `count` does not exceed the sum of the sizes.
fn apportion(count: usize, sizes: &[usize]) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>().max(1);
    let mut shares: Vec<usize> = sizes.iter().map(|size| count * size / total).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(count * sizes[class] % total)); // stable: ties keep their order
    let left = count - shares.iter().sum::<usize>();
    by_remainder[..left].iter().for_each(|&class| shares[class] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns images of one pixel whose value is the index of the image.
    fn numbered(labels: Vec<u32>) -> Images {
        Images::new([1, 1, 1], (0..labels.len() as u8).collect(), labels).unwrap()
    }

    #[test]
    fn shares_are_rounded_by_largest_remainder() {
        assert_eq!(apportion(10, &[50, 30, 20]), [5, 3, 2]);
        assert_eq!(apportion(3, &[50, 30, 20]), [1, 1, 1]); // 1.5, 0.9, 0.6
        assert_eq!(apportion(2, &[1, 1, 1]), [1, 1, 0]); // ties go to the lower class
        assert_eq!(apportion(0, &[]), [0; 0]);
    }

    /// Labels whose expected splits were computed independently of this code, with an implementation of ChaCha8 in
    /// Python.
    const LABELS: [u32; 20] = [0, 1, 2, 0, 0, 1, 0, 2, 1, 0, 0, 1, 2, 0, 1, 0, 0, 2, 1, 0];

    #[test]
    fn the_validation_split_of_a_seed_stays_what_it_is_for_good() {
        let images = numbered(LABELS.into());
        let (rest, held_out) = images.stratified_split(6, 7).unwrap();
        assert_eq!(held_out.pixels().unwrap(), [4, 5, 9, 13, 14, 17]);
        assert_eq!(rest.pixels().unwrap(), [0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 15, 16, 18, 19]);
    }

    #[test]
    fn the_subset_of_a_seed_stays_what_it_is_for_good() {
        assert_eq!(
            numbered(LABELS.into()).stratified_subset(8, 7).unwrap().pixels().unwrap(),
            [1, 3, 4, 6, 7, 8, 16, 17]
        );
    }

    #[test]
    fn a_split_that_leaves_nothing_and_a_subset_of_nothing_or_too_much_are_refused() {
        let images = numbered(vec![0, 1, 0]);
        for message in [
            images.stratified_split(3, 0).unwrap_err().to_string(),
            images.stratified_subset(0, 0).unwrap_err().to_string(),
            images.stratified_subset(4, 0).unwrap_err().to_string(),
        ] {
            assert!(message.contains("out of 3: possible are"), "{message}");
        }
        assert_eq!(images.stratified_subset(3, 9).unwrap(), images);
    }

    proptest! {
        #[test]
        fn a_split_parts_the_images_and_every_class_keeps_its_share(
            labels in prop::collection::vec(0u32..5, 2..200),
            share in 0.0..1.0f64,
            seed: u64,
        ) {
            let images = numbered(labels);
            let count = (images.len() as f64 * share) as usize;
            let (rest, held_out) = images.stratified_split(count, seed).unwrap();
            prop_assert_eq!(held_out.len(), count);
            prop_assert!(held_out.pixels().unwrap().is_sorted() && rest.pixels().unwrap().is_sorted());
            let mut all = [rest.pixels().unwrap(), held_out.pixels().unwrap()].concat();
            all.sort_unstable();
            prop_assert_eq!(&all, &images.pixels().unwrap());
            for (have, of) in held_out.class_counts(5).into_iter().zip(images.class_counts(5)) {
                let exact = count as f64 * of as f64 / images.len() as f64;
                prop_assert!((have as f64 - exact).abs() < 1.0);
            }
            prop_assert_eq!(images.stratified_split(count, seed).unwrap(), (rest, held_out));
        }

        #[test]
        fn every_image_is_held_out_in_one_part_and_classes_and_parts_are_even(
            labels in prop::collection::vec(0u32..5, 4..200),
            folds in 2usize..5,
        ) {
            let images = numbered(labels);
            let parts: Vec<_> = (0..folds).map(|index| images.stratified_fold(index, folds)).collect();
            let mut all: Vec<u8> = Vec::new();
            for (rest, held_out) in &parts {
                all.extend(held_out.pixels().unwrap().iter());
                prop_assert_eq!(rest.len() + held_out.len(), images.len());
                prop_assert!(held_out.pixels().unwrap().iter().all(|pixel| !rest.pixels().unwrap().contains(pixel)));
                prop_assert!(held_out.len().abs_diff(parts[0].1.len()) <= 1);
                for (class, count) in held_out.class_counts(5).into_iter().enumerate() {
                    prop_assert!(count.abs_diff(parts[0].1.class_counts(5)[class]) <= 1);
                }
            }
            all.sort_unstable();
            prop_assert_eq!(&all, &images.pixels().unwrap());
        }

        #[test]
        fn another_seed_picks_other_images(seed: u64) {
            let images = numbered((0..200).map(|index| index % 2).collect());
            prop_assert_ne!(
                images.stratified_subset(100, seed).unwrap().pixels().unwrap(),
                images.stratified_subset(100, seed ^ 1).unwrap().pixels().unwrap()
            );
        }
    }
}
