//! Reads and decodes image files.

use std::{fs, io::Cursor, path::Path, time::SystemTime};

use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits, RgbImage,
    error::{DecodingError, LimitError, LimitErrorKind},
    imageops::{FilterType, resize},
    metadata::Orientation,
};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use crate::{
    error::DatasetError,
    images::{Images, MAX_SIDE},
    raw_file::MAX_FILE_BYTES,
};

/// The largest height and width of an image file.
const MAX_EXTENT: u32 = 1 << 15;
/// The largest size of a decoded image file in bytes.
pub const MAX_DECODED: u64 = 256 << 20;

/// The size and time of a file, by which a change is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub bytes: u64,
    modified: Option<SystemTime>,
}

/// Looks at a file without reading it. It must be a regular file that is not too large for an image.
pub fn stamp(path: &Path) -> Result<Stamp, DatasetError> {
    let metadata = fs::metadata(path).map_err(|source| DatasetError::Io { path: path.into(), source })?;
    if !metadata.is_file() {
        return Err(DatasetError::Unexpected { path: path.into(), expected: "an image here, not a folder or device" });
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(DatasetError::TooLarge { path: path.into(), bytes: metadata.len(), limit: MAX_FILE_BYTES });
    }
    Ok(Stamp { bytes: metadata.len(), modified: metadata.modified().ok() })
}

/// Reads a file that had this stamp.
pub fn read(path: &Path, earlier: Stamp) -> Result<Vec<u8>, DatasetError> {
    let bytes = fs::read(path).map_err(|source| DatasetError::Io { path: path.into(), source })?;
    if stamp(path)? != earlier || bytes.len() as u64 != earlier.bytes {
        return Err(DatasetError::Changed { path: path.into() });
    }
    Ok(bytes)
}

/// Decodes an image, whose format its first bytes tell, and resizes it. The result has the order (channel, row, column).
///
/// An image whose decoded size is more than `max_decoded` bytes is refused.
pub fn decode_resized(path: &Path, bytes: &[u8], shape: [usize; 3], max_decoded: u64) -> Result<Vec<u8>, DatasetError> {
    match decode(bytes, max_decoded) {
        Ok(image) => Ok(resized(&image, shape)),
        Err(source) => Err(DatasetError::Undecodable { path: path.into(), source }),
    }
}

/// An image file of any size and colour, decoded and turned upright as its EXIF data say.
///
/// ```no_run
/// use datasets::ImageFile;
///
/// let photo = ImageFile::open("photo.jpg")?;
/// let images = photo.resized([1, 28, 28])?; // as those of a folder of images
/// assert_eq!(images.shape, [1, 28, 28]);
/// # Ok::<(), datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFile {
    image: DynamicImage,
}

impl ImageFile {
    /// Reads a PNG, JPEG, BMP or WebP file.
    ///
    /// # Errors
    /// A file that cannot be read, that is no image of these formats, that is damaged, or whose image is larger than
    /// 256 MB or 32,768 pixels in height or width.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DatasetError> {
        let path = path.as_ref();
        let bytes = read(path, stamp(path)?)?;
        let decoded = decode(&bytes, MAX_DECODED);
        Ok(Self { image: decoded.map_err(|source| DatasetError::Undecodable { path: path.into(), source })? })
    }

    /// Returns the image in colour and at its own size.
    pub fn rgb(&self) -> RgbImage {
        self.image.to_rgb8()
    }

    /// Returns one image of a shape (C, H, W), resized and converted as the images of a folder are.
    ///
    /// # Errors
    /// A number of channels other than 1 and 3, and a height or width of 0 or above [`MAX_SIDE`].
    pub fn resized(&self, shape: [usize; 3]) -> Result<Images, DatasetError> {
        check_shape(shape)?;
        Images::new(shape, resized(&self.image, shape), vec![0])
    }
}

/// Checks that images can be resized to a shape (C, H, W).
pub fn check_shape([channels, height, width]: [usize; 3]) -> Result<(), DatasetError> {
    let sides = 1..=MAX_SIDE;
    if [1, 3].contains(&channels) && sides.contains(&height) && sides.contains(&width) {
        return Ok(());
    }
    Err(DatasetError::InvalidInput { channels, height, width, limit: MAX_SIDE })
}

fn decode(bytes: &[u8], max_decoded: u64) -> ImageResult<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if reader.format() == Some(ImageFormat::Jpeg) {
        return decode_jpeg(bytes, max_decoded);
    }
    // A header that promises more is refused before memory is allocated.
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EXTENT);
    limits.max_image_height = Some(MAX_EXTENT);
    limits.max_alloc = Some(max_decoded);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    if decoder.total_bytes() > max_decoded {
        return Err(ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory)));
    }
    // An image whose EXIF data are damaged is taken as it is.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Decodes a JPEG image strictly. The decoder of `image` would fill what a truncated or damaged file lacks with grey.
fn decode_jpeg(bytes: &[u8], max_decoded: u64) -> ImageResult<DynamicImage> {
    let failed = |error: &dyn std::fmt::Debug| {
        ImageError::Decoding(DecodingError::new(ImageFormat::Jpeg.into(), format!("{error:?}")))
    };
    let limit = |kind| ImageError::Limits(LimitError::from_kind(kind));
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_EXTENT as usize)
        .set_max_height(MAX_EXTENT as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| failed(&error))?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (channels, color) = if grey { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    let (width, height) = decoder.dimensions().ok_or_else(|| failed(&"no dimensions"))?;
    if (width * height * channels) as u64 > max_decoded {
        return Err(limit(LimitErrorKind::InsufficientMemory));
    }
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    decoder.set_options(options.jpeg_set_out_colorspace(color));
    let pixels = decoder.decode().map_err(|error| failed(&error))?;
    if !has_end(bytes) {
        return Err(failed(&"the file ends before its image"));
    }
    let (width, height) = (width as u32, height as u32);
    let image = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    let mut image = image.ok_or_else(|| limit(LimitErrorKind::DimensionError))?;
    image.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(image)
}

/// Returns whether a JPEG file has an end marker behind its header. The decoder does not miss it if the last rows are cut.
fn has_end(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END: u8 = 0xd9;
    // A segment of the header, which may contain the end marker of a thumbnail, has its length behind its marker.
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        let length = match marker {
            START_OF_SCAN => return rest.windows(2).any(|pair| pair == [0xff, END]),
            0xff => 1, // Padding before a marker.
            _ => 2 + usize::from(u16::from_be_bytes([high, low])),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// Resizes an image to (channels, height, width). The colours are converted first, so that the filter does not see an alpha
/// channel.
fn resized(image: &DynamicImage, [channels, height, width]: [usize; 3]) -> Vec<u8> {
    let (height, width) = (height as u32, width as u32);
    if channels == 1 {
        return resize(&image.to_luma8(), width, height, FilterType::Triangle).into_raw();
    }
    let resized = resize(&image.to_rgb8(), width, height, FilterType::Triangle);
    (0..channels).flat_map(|channel| resized.pixels().map(move |pixel| pixel[channel])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageEncoder, codecs, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder, codecs::webp::WebPEncoder};

    /// An EXIF chunk that says that the image must be rotated by 90° clockwise to stand upright.
    const ROTATED: [u8; 26] = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

    /// An image whose left half is black and whose right half is white.
    fn halves() -> RgbImage {
        RgbImage::from_fn(32, 16, |x, _| image::Rgb([if x < 16 { 0 } else { 255 }; 3]))
    }

    /// Returns the mean grey of the upper, lower, left and right half of a file's image, resized to a square.
    fn greys(bytes: &[u8]) -> [u8; 4] {
        let pixels = resized(&decode(bytes, MAX_DECODED).unwrap(), [1, 8, 8]);
        let mean = |of: fn(usize, usize) -> bool| {
            let chosen: Vec<_> = (0..64).filter(|i| of(i / 8, i % 8)).map(|i| u32::from(pixels[i])).collect();
            (chosen.iter().sum::<u32>() / chosen.len() as u32) as u8
        };
        [mean(|y, _| y < 4), mean(|y, _| y >= 4), mean(|_, x| x < 4), mean(|_, x| x >= 4)]
    }

    fn encoded(mut encoder: impl ImageEncoder, exif: Option<&[u8]>) {
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif.to_vec()).unwrap();
        }
        encoder.write_image(&halves(), 32, 16, image::ExtendedColorType::Rgb8).unwrap();
    }

    #[test]
    fn every_format_is_decoded_and_turned_upright_as_its_exif_data_say() {
        for exif in [None, Some(&ROTATED[..])] {
            let mut files = [const { Vec::new() }; 3];
            encoded(PngEncoder::new(&mut files[0]), exif);
            encoded(JpegEncoder::new_with_quality(&mut files[1], 100), exif);
            encoded(WebPEncoder::new_lossless(&mut files[2]), exif);
            for bytes in files {
                let [upper, lower, left, right] = greys(&bytes);
                match exif {
                    // The left half has become the upper one.
                    Some(_) => assert!(upper < 40 && lower > 215 && left.abs_diff(right) < 10),
                    None => assert!(left < 40 && right > 215 && upper.abs_diff(lower) < 10),
                }
            }
        }
        let mut bmp = Vec::new();
        encoded(codecs::bmp::BmpEncoder::new(&mut bmp), None);
        let [_, _, left, right] = greys(&bmp);
        assert!(left < 40 && right > 215);
    }

    #[test]
    fn an_image_of_more_bytes_than_allowed_is_refused_in_every_format() {
        let mut files = [const { Vec::new() }; 3];
        encoded(PngEncoder::new(&mut files[0]), None);
        encoded(JpegEncoder::new(&mut files[1]), None);
        encoded(WebPEncoder::new_lossless(&mut files[2]), None);
        let size = 32 * 16 * 3;
        for bytes in files {
            assert!(decode(&bytes, size).is_ok());
            assert!(matches!(decode(&bytes, size - 1), Err(ImageError::Limits(_))));
        }
    }
}
