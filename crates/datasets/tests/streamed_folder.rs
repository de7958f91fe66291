//! Images of a folder that are decoded when they are needed.

mod common;

use std::fs;

use candle_core::Device;
use common::folder::{good, gradient, png, save};
use datasets::{Canvas, DatasetError, DatasetId, LoadOptions, Order, SplitOptions, Splits, Standardization, load};
use image::{GrayImage, ImageFormat, Luma};

#[test]
fn images_that_do_not_fit_into_the_cache_are_the_same_in_every_batch_split_and_canvas() {
    let folder = good();
    for index in 0..30u32 {
        let class = if index % 3 == 0 { "ant" } else { "bee" };
        save(folder.path(), &format!("train/{class}/x{index}.png"), gradient(8 + index), ImageFormat::Png);
        save(folder.path(), &format!("test/{class}/x{index}.jpg"), gradient(20 + index), ImageFormat::Jpeg);
    }
    let id = DatasetId::Folder(folder.path().into());
    let load_with = |bytes: usize| load(&id, &LoadOptions::default().input([3, 16, 16]).cache_bytes(bytes)).unwrap();
    let splits = |bytes| {
        let canvases = vec![None, Some(Canvas::Resized { size: 20 }), Some(Canvas::Scattered { size: 40, clutter: 3 })];
        let options = SplitOptions { canvases, train_sizes: vec![None, Some(11)], validation: 3 };
        load_with(bytes).splits(&id, &options).unwrap()
    };
    let size = 3 * 16 * 16;
    for (whole, streamed) in splits(1 << 30).into_iter().zip(splits(5 * size)) {
        assert_eq!(whole.fingerprint, streamed.fingerprint);
        assert_eq!(whole.standardization, streamed.standardization);
        assert_eq!(
            (&whole.train, &whole.validation, &whole.test),
            (&streamed.train, &streamed.validation, &streamed.test)
        );
        assert_eq!(whole.test_objects, streamed.test_objects);
        for epoch in 0..2 {
            let order = Order::Shuffled { seed: 1, epoch };
            let values = |splits: &Splits| -> Vec<Vec<f32>> {
                let batches = splits.train.batches(7, order, &splits.standardization, &Device::Cpu);
                batches.map(|batch| batch.unwrap().0.flatten_all().unwrap().to_vec1().unwrap()).collect()
            };
            assert_eq!(values(&whole), values(&streamed));
        }
    }
    assert_eq!(load_with(0).train.pixels().unwrap(), load_with(1 << 30).train.pixels().unwrap());
}

#[test]
fn a_file_that_changes_or_vanishes_after_loading_is_an_error_that_names_it() {
    let folder = good();
    let load = || load(&DatasetId::Folder(folder.path().into()), &LoadOptions::default().cache_bytes(0)).unwrap().train;
    let images = load();
    assert_eq!(*images.image(0).unwrap(), [100; 784]);
    png(folder.path(), "train/ant/1.png", GrayImage::from_pixel(60, 40, Luma([100])));
    let error = images.image(0).unwrap_err();
    assert!(matches!(error, DatasetError::Changed { .. }) && error.to_string().contains("ant/1.png"), "{error}");
    let images = load();
    fs::remove_file(folder.path().join("train/bee/1.png")).unwrap();
    assert!(images.pixels().unwrap_err().to_string().contains("bee/1.png"));
    let standardization = Standardization { mean: vec![0.], std: vec![1.] };
    let mut batches = images.batches(2, Order::Sequential, &standardization, &Device::Cpu);
    let error = batches.next().unwrap().unwrap_err();
    // Training tells it from its own errors.
    assert!(matches!(error, candle_core::Error::Io(_)) && error.to_string().contains("bee/1.png"), "{error}");
}
