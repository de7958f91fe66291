use anyhow::Result;
use datasets::{Canvas, Splits};
use image::RgbImage;
use records::Point;

use super::network::TrainedNetwork;
use crate::misuse::Misuse;

/// A row of images, and the same row with a network's evidence over each image.
pub struct Maps {
    pub images: RgbImage,
    pub maps: RgbImage,
}

/// Something that a suite measures on each trained network besides its accuracy. A suite's file refers to it by name.
#[derive(Debug)]
pub struct Measure {
    /// The name, as in `measure = "shift"`.
    pub name: &'static str,
    /// The names of the measured values and what they mean, for the page.
    pub explanations: &'static [(&'static str, &'static str)],
    /// Checks that a suite's images allow the measure, given their canvas and whether validation images are held out. The
    /// error says what the measure needs.
    pub check: fn(Option<Canvas>, bool) -> Result<(), &'static str>,
    /// Measures a trained network on the test images. The second network is the same one before it was trained.
    pub run: fn(&TrainedNetwork, &TrainedNetwork, &Splits) -> Result<Vec<Point>>,
    /// Draws what a network does to the first test images, if the measure has a picture.
    pub draw: Option<fn(&TrainedNetwork, &Splits) -> Result<Maps>>,
}

impl Measure {
    /// Checks that a suite's images allow the measure.
    ///
    /// # Errors
    /// What the measure needs.
    pub fn check_images(&self, canvas: Option<Canvas>, held_out: bool) -> Result<(), Misuse> {
        (self.check)(canvas, held_out).map_err(|needs| Misuse::new(format!("measure \"{}\": {needs}", self.name)))
    }
}

impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
