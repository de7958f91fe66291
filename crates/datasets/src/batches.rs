use std::{borrow::Cow, io};

use candle_core::{Device, Result, Tensor, bail};

use crate::{
    augmentation::Augmentation, images::Images, order::Order, random::stream, standardization::Standardization,
};

impl Images {
    /// Iterates over all images once, in batches of standardised pixels. The last batch may be smaller.
    ///
    /// # Shapes
    /// Each item holds the images (N, C, H, W) of f32 and the labels (N) of u32.
    ///
    /// # Errors
    /// All items are errors if `batch_size` is 0 or the statistics have another number of channels than the images. A batch
    /// is an [I/O error](candle_core::Error::Io) if one of its images cannot be read, as in [`image`](Self::image).
    pub fn batches(
        &self,
        batch_size: usize,
        order: Order,
        standardization: &Standardization,
        device: &Device,
    ) -> impl ExactSizeIterator<Item = Result<(Tensor, Tensor)>> + use<'_> {
        self.batches_of(batch_size, order, standardization.tables(), device.clone(), |_, image| image)
    }

    /// Iterates over all images once, in the random order of [`Order::Shuffled`], each of them changed at random. Order and
    /// changes depend on `seed`, `epoch` and the number of images only.
    ///
    /// # Shapes
    /// As those of [`batches`](Self::batches).
    ///
    /// # Errors
    /// Those of [`batches`](Self::batches).
    pub fn training_batches(
        &self,
        batch_size: usize,
        [seed, epoch]: [u64; 2],
        augmentation: Augmentation,
        standardization: &Standardization,
        device: &Device,
    ) -> impl ExactSizeIterator<Item = Result<(Tensor, Tensor)>> + use<'_> {
        let order = Order::Shuffled { seed, epoch: epoch as usize };
        let shape = self.shape;
        self.batches_of(batch_size, order, standardization.tables(), device.clone(), move |index, image| {
            if augmentation.is_none() {
                return image;
            }
            let mut rng = stream(b"augmentation", seed, (epoch << 32) + index as u64);
            augmentation.apply(&image, shape, &mut rng).into()
        })
    }

    /// Iterates over batches of images, each of which `change` may change by its index.
    fn batches_of<'a, F: Fn(usize, Cow<'a, [u8]>) -> Cow<'a, [u8]> + 'a>(
        &'a self,
        batch_size: usize,
        order: Order,
        tables: Vec<[f32; 256]>,
        device: Device,
        change: F,
    ) -> impl ExactSizeIterator<Item = Result<(Tensor, Tensor)>> + use<'a, F> {
        let indices = order.indices(self.len());
        let size = batch_size.max(1);
        (0..indices.len().div_ceil(size)).map(move |batch| {
            if batch_size == 0 {
                bail!("a batch size of 0 is impossible; it must be at least 1")
            }
            let rest = &indices[batch * size..];
            self.assemble(&rest[..size.min(rest.len())], &tables, &device, &change)
        })
    }

    /// Builds the batch of the images at `indices`.
    fn assemble<'a>(
        &'a self,
        indices: &[usize],
        tables: &[[f32; 256]],
        device: &Device,
        change: impl Fn(usize, Cow<'a, [u8]>) -> Cow<'a, [u8]>,
    ) -> Result<(Tensor, Tensor)> {
        let [channels, height, width] = self.shape;
        if tables.len() != channels {
            bail!("statistics of {} channels cannot standardise images of {channels} channels", tables.len())
        }
        let mut values = Vec::with_capacity(indices.len() * self.image_size());
        for (&index, image) in indices.iter().zip(self.read(indices).map_err(io::Error::other)?) {
            for (plane, table) in change(index, image).chunks_exact(height * width).zip(tables) {
                values.extend(plane.iter().map(|&value| table[usize::from(value)]));
            }
        }
        let labels: Vec<u32> = indices.iter().map(|&index| self.labels[index]).collect();
        Ok((
            Tensor::from_vec(values, (indices.len(), channels, height, width), device)?,
            Tensor::from_vec(labels, indices.len(), device)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns `count` images whose labels are their indices.
    fn numbered(shape: [usize; 3], count: usize) -> Images {
        let size = shape.iter().product::<usize>();
        let pixels = (0..count * size).map(|index| (index * 7 % 256) as u8).collect();
        Images::new(shape, pixels, (0..count as u32).collect()).unwrap()
    }

    fn labels(images: &Images, batch_size: usize, order: Order) -> Vec<Vec<u32>> {
        let standardization = Standardization::of(images).unwrap();
        let batches = images.batches(batch_size, order, &standardization, &Device::Cpu);
        batches.map(|batch| batch.unwrap().1.to_vec1().unwrap()).collect()
    }

    #[test]
    fn standardised_training_images_have_mean_0_and_variance_1_in_every_channel() {
        let images = numbered([3, 5, 4], 50);
        let standardization = Standardization::of(&images).unwrap();
        let (batch, _) = images.batches(50, Order::Sequential, &standardization, &Device::Cpu).next().unwrap().unwrap();
        let planes = batch.transpose(0, 1).unwrap().flatten_from(1).unwrap();
        let means: Vec<f32> = planes.mean(1).unwrap().to_vec1().unwrap();
        let squares: Vec<f32> = planes.sqr().unwrap().mean(1).unwrap().to_vec1().unwrap();
        assert!(means.iter().all(|mean| mean.abs() < 1e-5), "{means:?}");
        assert!(squares.iter().all(|square| (square - 1.).abs() < 1e-5), "{squares:?}");
    }

    #[test]
    fn a_batch_holds_the_pixels_of_its_images_in_channel_row_column_order() {
        let images = numbered([3, 2, 2], 3);
        let standardization = Standardization { mean: vec![0., 0.5, 0.], std: vec![1., 1., 0.5] };
        let order = Order::Shuffled { seed: 3, epoch: 1 };
        for batch in images.batches(2, order, &standardization, &Device::Cpu) {
            let (batch, labels) = batch.unwrap();
            assert_eq!(batch.dims()[1..], [3, 2, 2]);
            let images_of_batch: Vec<Vec<f32>> = batch.flatten_from(1).unwrap().to_vec2().unwrap();
            for (values, label) in images_of_batch.iter().zip(labels.to_vec1::<u32>().unwrap()) {
                for (position, (&value, &byte)) in
                    values.iter().zip(images.image(label as usize).unwrap().iter()).enumerate()
                {
                    let (mean, std) = [(0., 1.), (0.5, 1.), (0., 0.5)][position / 4];
                    assert_eq!(value, (f32::from(byte) / 255. - mean) / std);
                }
            }
        }
    }

    #[test]
    fn a_batch_size_of_0_and_statistics_of_other_channels_are_errors() {
        let images = numbered([3, 2, 2], 3);
        let grey = Standardization { mean: vec![0.], std: vec![1.] };
        let first = |batch_size, standardization: &Standardization| {
            images.batches(batch_size, Order::Sequential, standardization, &Device::Cpu).next().unwrap().unwrap_err()
        };
        assert!(first(0, &Standardization::of(&images).unwrap()).to_string().contains("batch size of 0"));
        assert!(first(2, &grey).to_string().contains("1 channels"));
    }

    #[test]
    fn training_batches_have_the_order_of_their_epoch_and_other_changes_in_each() {
        let images = numbered([1, 8, 8], 30);
        let standardization = Standardization { mean: vec![0.], std: vec![1.] };
        let all = |epoch, augmentation| -> Vec<(Vec<Vec<f32>>, Vec<u32>)> {
            let batches = images.training_batches(7, [3, epoch], augmentation, &standardization, &Device::Cpu);
            let read = |(images, labels): (Tensor, Tensor)| {
                (images.flatten_from(1).unwrap().to_vec2().unwrap(), labels.to_vec1().unwrap())
            };
            batches.map(|batch| read(batch.unwrap())).collect()
        };
        let plain = images.batches(7, Order::Shuffled { seed: 3, epoch: 1 }, &standardization, &Device::Cpu);
        for (batch, (pixels, labels)) in plain.zip(all(1, Augmentation::default())) {
            let (images, expected) = batch.unwrap();
            assert_eq!(images.flatten_from(1).unwrap().to_vec2::<f32>().unwrap(), pixels);
            assert_eq!(expected.to_vec1::<u32>().unwrap(), labels);
        }
        let augmentation = Augmentation { shift: 2, flip: true };
        assert_eq!(all(1, augmentation), all(1, augmentation));
        let by_label = |epoch| -> std::collections::BTreeMap<u32, Vec<f32>> {
            all(epoch, augmentation).into_iter().flat_map(|(pixels, labels)| labels.into_iter().zip(pixels)).collect()
        };
        let changed = by_label(1).into_iter().zip(by_label(2)).filter(|(one, other)| one != other).count();
        assert!(changed > 25, "{changed} of 30 images differ between the epochs");
    }

    proptest! {
        #[test]
        fn an_epoch_holds_every_image_once_and_keeps_the_last_partial_batch(
            count in 0usize..200,
            batch_size in 1usize..70,
            seed: u64,
            epoch in 0usize..50,
        ) {
            let images = numbered([1, 2, 1], count);
            let order = Order::Shuffled { seed, epoch };
            let batches = labels(&images, batch_size, order);
            prop_assert_eq!(batches.len(), count.div_ceil(batch_size));
            prop_assert!(batches.iter().rev().skip(1).all(|batch| batch.len() == batch_size));
            let mut all = batches.concat();
            all.sort_unstable();
            prop_assert_eq!(all, images.labels);
        }

        #[test]
        fn the_order_depends_on_seed_and_epoch_only(batch_size in 1usize..70, seed: u64, epoch in 0usize..50) {
            let order = Order::Shuffled { seed, epoch };
            let (small, large) = (numbered([1, 1, 1], 100), numbered([3, 2, 2], 100));
            prop_assert_eq!(labels(&small, 100, order).concat(), labels(&large, batch_size, order).concat());
        }

        #[test]
        fn the_iterator_knows_how_many_batches_are_left(count in 0usize..100, batch_size in 1usize..40) {
            let images = numbered([1, 1, 1], count);
            let standardization = Standardization::of(&images).unwrap();
            let mut batches = images.batches(batch_size, Order::Sequential, &standardization, &Device::Cpu);
            for left in (0..count.div_ceil(batch_size)).rev() {
                prop_assert!(batches.next().is_some());
                prop_assert_eq!(batches.len(), left);
            }
            prop_assert!(batches.next().is_none());
        }
    }
}
