//! Pictures of the evidence for a class, laid over the image.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::Result;
use candle_core::Tensor;
use datasets::ImageFile;
use image::{
    ImageBuffer, Luma,
    imageops::{FilterType, resize},
};
use records::{create_folder, file_name};

use crate::{files::save_png, misuse::Misuse};

/// The files that the pictures are written to, one for each image.
pub struct Cams(Vec<PathBuf>);

impl Cams {
    /// Names the pictures: a single image has the file `out`, unless that is a folder; several have files in the folder
    /// `out`, called like the images.
    ///
    /// # Errors
    /// [`Misuse`] for a PNG file where several images need a folder; a folder that cannot be created.
    pub fn new(out: &Path, images: &[PathBuf]) -> Result<Self> {
        let is_png = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if images.len() == 1 && !out.is_dir() {
            if !is_png {
                let out = out.display();
                return Err(Misuse::new(format!("--cam {out} is not a PNG file; end its name in .png")).into());
            }
            return Ok(Self(vec![out.into()]));
        }
        if is_png && !out.is_dir() {
            let (out, count) = (out.display(), images.len());
            let message =
                format!("--cam {out} is one file, but there are {count} images; name a folder for their pictures");
            return Err(Misuse::new(message).into());
        }
        create_folder(out)?;
        Ok(Self(names(images).into_iter().map(|name| out.join(name)).collect()))
    }

    /// The file for the picture of an image.
    pub fn path(&self, index: usize) -> PathBuf {
        self.0[index].clone()
    }
}

/// A name for the picture of each image, all of them different.
fn names(images: &[PathBuf]) -> Vec<String> {
    let (mut names, mut used) = (Vec::new(), HashSet::new());
    for image in images {
        let stem = file_name(&image.file_stem().unwrap_or_default().to_string_lossy());
        // Images of the same name come from different folders, or have another ending.
        let numbered = (2..).map(|number| format!("{stem}.{number}.cam.png"));
        let mut possible = [format!("{stem}.cam.png")].into_iter().chain(numbered);
        names.extend(possible.find(|name| used.insert(name.clone())));
    }
    names
}

/// Draws the evidence (H, W) over the image at the image's own size.
pub fn save(out: &Path, file: &ImageFile, evidence: &Tensor) -> Result<()> {
    let ((height, width), image) = (evidence.dims2()?, file.rgb());
    let values = evidence.flatten_all()?.to_vec1::<f32>()?;
    // The filter limits values to 1, the largest of an image of floating point.
    let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let values = values.into_iter().map(|value| (value / most).max(0.)).collect();
    let evidence: ImageBuffer<Luma<f32>, Vec<f32>> =
        ImageBuffer::from_raw(width as u32, height as u32, values).ok_or_else(|| anyhow::anyhow!("empty evidence"))?;
    let evidence = resize(&evidence, image.width(), image.height(), FilterType::Triangle);
    save_png(out, &report::overlay(&image, evidence.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_images_have_a_picture_of_the_same_name() {
        let names = names(&["a.2.jpg", "a.jpg", "a.png", "b/a.png"].map(PathBuf::from));
        assert_eq!(names, ["a.2.cam.png", "a.cam.png", "a.3.cam.png", "a.4.cam.png"]);
    }
}
