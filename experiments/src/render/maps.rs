//! Where the networks look: the strips of a suite's `maps` folder, one below the other.

use std::{io::Cursor, path::Path};

use anyhow::{Context, Result};
use image::{ImageFormat, RgbImage};

use crate::{
    aggregate::Row,
    measures::stack,
    store::{MAPS, maps_file, write},
};

/// For each data set and model draws `folder/maps-DATASET.MODEL.png`, the images and below them a strip for each head that
/// has one in a folder of `sources`, and gives a piece of a page that shows it.
///
/// # Errors
/// A picture that can't be read or written.
pub fn maps(rows: &[Row], sources: &[&Path], folder: &Path) -> Result<Vec<String>> {
    let mut shown = Vec::new();
    for rows in rows.chunk_by(|a, b| (&a.dataset, &a.model) == (&b.dataset, &b.model)) {
        let Row { dataset, model, .. } = &rows[0];
        let Some(images) = strip(sources, &[dataset])? else { continue };
        let (mut strips, mut heads) = (vec![images], Vec::new());
        for row in rows {
            if let Some(strip) = strip(sources, &[dataset, model, &row.head])? {
                strips.push(strip);
                heads.push(row.head.as_str());
            }
        }
        if heads.is_empty() {
            continue;
        }
        let (file, mut png) = (format!("maps-{}", maps_file(&[dataset, model])), Cursor::new(Vec::new()));
        stack(&strips).write_to(&mut png, ImageFormat::Png)?;
        write(&folder.join(&file), png.into_inner())?;
        shown.push(format!(
            "![Class maps of {model}]({file})\n\n{model} on {dataset}, first seed; from top to bottom the first test images \
             with the object's box, then the evidence for the true class, from blue (none) to yellow (the most in this \
             image): {}.",
            heads.join(", ")
        ));
    }
    Ok(shown)
}

fn strip(sources: &[&Path], factors: &[&String]) -> Result<Option<RgbImage>> {
    let paths = sources.iter().map(|source| source.join(MAPS).join(maps_file(factors)));
    let Some(path) = paths.into_iter().find(|path| path.is_file()) else { return Ok(None) };
    Ok(Some(image::open(&path).with_context(|| path.display().to_string())?.to_rgb8()))
}
