//! Reads and decodes the image files of folders.

use std::{fs, io::Cursor, path::Path, time::SystemTime};

use image::{
    DynamicImage, GrayImage, ImageError, ImageFormat, ImageReader, ImageResult, Limits, RgbImage,
    error::{DecodingError, LimitError, LimitErrorKind},
    imageops::{FilterType, resize},
};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use crate::{error::DatasetError, raw_file::MAX_FILE_BYTES};

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
    reader.decode()
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
    image.ok_or_else(|| limit(LimitErrorKind::DimensionError))
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
