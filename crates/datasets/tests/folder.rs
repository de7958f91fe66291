//! Loading image folders, valid and invalid.

mod common;

use std::fs;

use common::{
    folder::{good, gradient, grey, png, read, save},
    message_of, write,
};
use datasets::DatasetError;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

/// Returns the pixels of `image` as the first training image of a folder, `train/ant/0.png`.
fn first(image: impl Into<DynamicImage>, input: [usize; 3]) -> Vec<u8> {
    let folder = good();
    png(folder.path(), "train/ant/0.png", image);
    read(folder.path(), Some(input)).unwrap().train.image(0).unwrap().to_vec()
}

#[test]
fn classes_are_the_folders_of_train_sorted_by_name() {
    let folder = good();
    let data = read(folder.path(), None).unwrap();
    assert_eq!(data.classes, ["ant", "bee"]);
    assert_eq!(data.train.shape, [1, 28, 28]);
    assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1][..], &[0, 1][..]));
    assert_eq!((&*data.train.image(1).unwrap(), &*data.test.image(0).unwrap()), (&[200; 784][..], &[101; 784][..]));
}

#[test]
fn a_class_may_lack_test_images_but_labels_stay_those_of_train() {
    let folder = good();
    fs::remove_dir_all(folder.path().join("test/ant")).unwrap();
    assert_eq!(read(folder.path(), None).unwrap().test.labels, [1]);
}

#[test]
fn alpha_is_dropped_and_not_composited() {
    let transparent = RgbaImage::from_fn(8, 8, |x, _| Rgba([50, 100, 150, if x % 2 == 0 { 0 } else { 128 }]));
    let pixels = first(transparent, [3, 2, 2]);
    assert_eq!(pixels, [50, 50, 50, 50, 100, 100, 100, 100, 150, 150, 150, 150]);
    let transparent = image::GrayAlphaImage::from_pixel(8, 8, image::LumaA([90, 0]));
    assert_eq!(first(transparent, [1, 2, 2]), [90; 4]);
}

#[test]
fn colour_becomes_luma_where_the_input_has_one_channel() {
    let red_green_blue =
        RgbImage::from_fn(3, 1, |x, _| Rgb([0, 1, 2].map(|channel| if channel == x { 255 } else { 0 })));
    assert_eq!(first(red_green_blue, [1, 1, 3]), [54, 182, 18]); // 255 × 0.2126, 0.7152, 0.0722
}

#[test]
fn grey_is_repeated_where_the_input_has_three_channels() {
    assert_eq!(first(grey(77), [3, 4, 6]), [77; 72]);
}

#[test]
fn pixels_lie_in_the_order_channel_row_column() {
    let image = RgbImage::from_fn(3, 2, |x, y| Rgb([(10 * y + x) as u8, 100 + (10 * y + x) as u8, 200]));
    let pixels = first(image, [3, 2, 3]);
    assert_eq!(pixels, [0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112, 200, 200, 200, 200, 200, 200]);
}

#[test]
fn shrinking_averages_over_all_pixels_instead_of_skipping_some() {
    let stripes = GrayImage::from_fn(64, 64, |x, _| Luma([if x % 2 == 0 { 0 } else { 200 }]));
    let pixels = first(stripes, [1, 8, 8]);
    assert!(pixels.iter().all(|value| (90..=110).contains(value)), "{pixels:?}");
}

#[test]
fn jpeg_is_read_and_the_content_counts_not_the_name() {
    let folder = good();
    save(folder.path(), "train/ant/0.jpeg", grey(60), ImageFormat::Jpeg);
    save(folder.path(), "train/ant/00.png", grey(60), ImageFormat::Jpeg);
    let train = read(folder.path(), None).unwrap().train;
    assert_eq!(train.labels, [0, 0, 0, 1]);
    assert!(train.pixels().unwrap()[..2 * 784].iter().all(|value| value.abs_diff(60) <= 1));
}

#[test]
fn hidden_files_are_skipped() {
    let folder = good();
    for name in [".DS_Store", "train/.DS_Store", "train/ant/.DS_Store", "test/.cache/file"] {
        write(folder.path(), name, b"no image");
    }
    assert_eq!(read(folder.path(), None).unwrap().train.len(), 2);
}

#[test]
fn files_that_are_no_images_are_skipped_and_counted() {
    let folder = good();
    let before = read(folder.path(), None).unwrap();
    let in_classes = ["train/ant/Thumbs.db", "train/bee/.DS_Store", "train/bee/notes", "test/ant/desktop.ini"];
    let among_classes = ["train/Thumbs.db", "train/desktop.ini", "test/.DS_Store"];
    for name in in_classes.into_iter().chain(among_classes) {
        write(folder.path(), name, b"no image");
    }
    png(folder.path(), "train/bee/2.PNG", grey(7));
    let after = read(folder.path(), None).unwrap();
    assert_eq!((before.skipped_files, after.skipped_files), (0, 7));
    assert_eq!((after.train.len(), after.test), (before.train.len() + 1, before.test));
    assert_eq!(after.files[1].sha256, before.files[1].sha256);
}

#[test]
fn an_image_of_a_format_that_is_not_supported_is_an_error_rather_than_skipped() {
    let folder = good();
    write(folder.path(), "train/ant/2.gif", b"GIF89a\x01\0\x01\0\0\0\0");
    let (error, message) = message_of(read(folder.path(), None), "2.gif");
    assert!(matches!(error, DatasetError::Undecodable { .. }));
    assert!(message.contains("PNG, JPEG, BMP or WebP"), "{message}");
}

#[test]
fn the_checksum_of_a_split_changes_with_every_name_and_content() {
    let folder = good();
    let sums = || read(folder.path(), None).unwrap().files.into_iter().map(|file| file.sha256).collect::<Vec<_>>();
    let before = sums();
    assert_eq!(before, sums());
    fs::rename(folder.path().join("train/ant/1.png"), folder.path().join("train/ant/2.png")).unwrap();
    let renamed = sums();
    png(folder.path(), "train/ant/2.png", grey(99));
    let changed = sums();
    assert!(before[0] != renamed[0] && renamed[0] != changed[0]);
    assert!(before[1] == renamed[1] && renamed[1] == changed[1]);
}

#[test]
fn a_missing_split_is_an_error_that_says_what_an_image_folder_is() {
    for split in ["train", "test"] {
        let folder = good();
        fs::remove_dir_all(folder.path().join(split)).unwrap();
        let (error, message) = message_of(read(folder.path(), None), split);
        assert!(matches!(error, DatasetError::Missing { .. }));
        assert!(message.contains("train/CLASS"), "{message}");
    }
}

#[test]
fn a_split_without_classes_has_no_images_at_all() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("train")).unwrap();
    assert!(matches!(message_of(read(folder.path(), None), "train").0, DatasetError::NoImages { .. }));
}

#[test]
fn an_empty_class_folder_is_an_error_also_with_a_hidden_file_in_it() {
    for split in ["train", "test"] {
        let folder = good();
        fs::remove_file(folder.path().join(split).join("bee/1.png")).unwrap();
        write(folder.path(), &format!("{split}/bee/.DS_Store"), b"");
        write(folder.path(), &format!("{split}/bee/Thumbs.db"), b"");
        let (error, message) = message_of(read(folder.path(), None), "bee");
        assert!(matches!(error, DatasetError::EmptyClass { .. }));
        assert!(message.contains(split), "{message}");
    }
}

#[test]
fn a_class_that_only_test_has_is_an_error_that_says_which_train_has() {
    let folder = good();
    png(folder.path(), "test/cat/1.png", grey(1));
    let (error, message) = message_of(read(folder.path(), None), "cat");
    assert!(matches!(error, DatasetError::UnknownClass { .. }));
    assert!(message.contains("ant, bee"), "{message}");
}

#[test]
fn an_undecodable_image_is_an_error_that_names_it() {
    let folder = good();
    let whole = fs::read(folder.path().join("train/ant/1.png")).unwrap();
    let damaged: [&[u8]; 4] = [b"", b"notes", b"GIF89a\x01\0\x01\0\0\0\0", &whole[..whole.len() / 2]];
    for bytes in damaged {
        write(folder.path(), "test/bee/2.png", bytes);
        let (error, _) = message_of(read(folder.path(), None), "2.png");
        assert!(matches!(error, DatasetError::Undecodable { .. }), "{error:?}");
    }
}

#[test]
fn an_image_whose_header_promises_absurdly_much_is_refused() {
    let folder = good();
    let mut bytes = fs::read(folder.path().join("train/ant/1.png")).unwrap();
    // Width and height follow the signature, the length and the name of the first chunk, whose checksum is updated.
    bytes[16..24].copy_from_slice(&[0, 0, 0x7f, 0xff, 0, 0, 0x7f, 0xff]);
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    write(folder.path(), "train/ant/1.png", &bytes);
    let (error, message) = message_of(read(folder.path(), None), "1.png");
    assert!(matches!(error, DatasetError::Undecodable { source: image::ImageError::Limits(_), .. }), "{message}");
}

#[test]
fn images_among_classes_and_folders_among_images_are_errors() {
    for name in ["train/1.png", "test/1.gif"] {
        let folder = good();
        png(folder.path(), name, grey(1));
        let (error, message) = message_of(read(folder.path(), None), &name[5..]);
        assert!(matches!(error, DatasetError::Unexpected { .. }));
        assert!(message.contains("a folder for each class"), "{message}");
    }
    let folder = good();
    fs::create_dir(folder.path().join("train/ant/more")).unwrap();
    assert!(matches!(message_of(read(folder.path(), None), "more").0, DatasetError::Unexpected { .. }));
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_read() {
    for name in ["train/ant/2.png", "train/cat"] {
        let folder = good();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join(name)).unwrap();
        let file = name.rsplit('/').next().unwrap();
        assert!(matches!(message_of(read(folder.path(), None), file).0, DatasetError::Unexpected { .. }));
    }
}

#[test]
fn a_file_too_large_for_an_image_is_not_read() {
    let folder = good();
    // The file is sparse, so it takes up no space.
    fs::File::create(folder.path().join("train/ant/2.png")).unwrap().set_len((256 << 20) + 1).unwrap();
    assert!(matches!(message_of(read(folder.path(), None), "2.png").0, DatasetError::TooLarge { .. }));
}

// Other systems do not allow such names.
#[cfg(target_os = "linux")]
#[test]
fn classes_whose_names_are_not_utf_8_are_refused_because_they_could_look_the_same() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    for split in ["train", "test"] {
        let folder = good();
        fs::create_dir(folder.path().join(split).join(OsStr::from_bytes(b"cat\xff"))).unwrap();
        assert!(matches!(message_of(read(folder.path(), None), "cat").0, DatasetError::NotUtf8 { .. }));
    }
}

#[test]
fn an_impossible_input_is_an_error_that_says_what_is_possible() {
    let folder = good();
    for (input, text) in [([2, 28, 28], "2x28x28"), ([1, 0, 28], "1x0x28"), ([3, 28, 5000], "3x28x5000")] {
        let (error, message) = message_of(read(folder.path(), Some(input)), text);
        assert!(matches!(error, DatasetError::InvalidInput { .. }));
        assert!(message.contains("channels are 1 or 3"), "{message}");
    }
}

#[test]
fn a_truncated_jpeg_is_an_error_that_names_it_wherever_it_is_cut() {
    let folder = good();
    save(folder.path(), "train/ant/2.jpg", gradient(64), ImageFormat::Jpeg);
    assert_eq!(read(folder.path(), None).unwrap().train.len(), 3);
    let whole = fs::read(folder.path().join("train/ant/2.jpg")).unwrap();
    for kept in [whole.len() / 2, whole.len() * 9 / 10, whole.len() - 12, whole.len() - 2] {
        write(folder.path(), "train/ant/2.jpg", &whole[..kept]);
        let (error, _) = message_of(read(folder.path(), None), "2.jpg");
        assert!(matches!(error, DatasetError::Undecodable { .. }), "{kept} of {} bytes: {error:?}", whole.len());
    }
    // Bytes behind the end are no part of the image.
    write(folder.path(), "train/ant/2.jpg", &[&whole[..], &[0; 9]].concat());
    assert_eq!(read(folder.path(), None).unwrap().train.len(), 3);
}

#[test]
fn an_intact_jpeg_has_the_pixels_that_the_decoder_of_image_gives() {
    let folder = good();
    for (name, image) in [("0", DynamicImage::from(gradient(41))), ("00", gradient(30).into()), ("000", grey(7).into())]
    {
        let path = format!("train/ant/{name}.jpg");
        save(folder.path(), &path, image, ImageFormat::Jpeg);
    }
    let images = read(folder.path(), Some([3, 41, 41])).unwrap().train;
    let decoded = image::open(folder.path().join("train/ant/0.jpg")).unwrap().to_rgb8();
    for (x, y, pixel) in decoded.enumerate_pixels() {
        let position = (41 * y + x) as usize;
        assert_eq!(pixel.0, [0, 1, 2].map(|channel| images.image(0).unwrap()[41 * 41 * channel + position]));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_with_line_breaks_and_escapes_are_escaped_in_messages() {
    let folder = good();
    let name = "train/c\n\u{1b}[2Jat";
    fs::create_dir(folder.path().join(name)).unwrap();
    let (_, message) = message_of(read(folder.path(), None), r"c\n\u{1b}[2Jat");
    assert!(!message.contains('\u{1b}'), "{message}");
}
