//! Pictures of the evidence for a class, laid over the image.

use std::{
    collections::HashMap,
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
        let mut used = HashMap::new();
        let name = |image: &PathBuf| {
            let stem = file_name(&image.file_stem().unwrap_or_default().to_string_lossy());
            // Images of the same name come from different folders.
            let count = used.entry(stem.clone()).and_modify(|count| *count += 1).or_insert(1);
            out.join(if *count == 1 { format!("{stem}.cam.png") } else { format!("{stem}.{count}.cam.png") })
        };
        Ok(Self(images.iter().map(name).collect()))
    }

    /// The file for the picture of an image.
    pub fn path(&self, index: usize) -> PathBuf {
        self.0[index].clone()
    }
}

/// Draws the evidence (H, W) over the image at the image's own size.
pub fn save(out: &Path, file: &ImageFile, evidence: &Tensor) -> Result<()> {
    let ((height, width), image) = (evidence.dims2()?, file.rgb());
    let values = evidence.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|value| value.max(0.)).collect();
    let evidence: ImageBuffer<Luma<f32>, Vec<f32>> =
        ImageBuffer::from_raw(width as u32, height as u32, values).ok_or_else(|| anyhow::anyhow!("empty evidence"))?;
    let evidence = resize(&evidence, image.width(), image.height(), FilterType::Triangle);
    save_png(out, &report::overlay(&image, evidence.as_raw()))
}
