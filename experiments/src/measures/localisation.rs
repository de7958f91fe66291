//! The measure `localisation`: whether the evidence for the true class lies on the object.

use anyhow::{Context, Result, bail, ensure};
use datasets::{Canvas, Images, Object};
use image::{Rgb, RgbImage};
use records::Point;
use report::{LocatedImage, strip};

use super::{
    boxes::{Box2d, area, contains, iou, largest_components},
    class_map::{ClassMap, class_maps, for_each},
    measure::{Maps, Measure},
    network::TrainedNetwork,
    pixels::{Histogram, energy_inside, range},
    value::{mean, number, share},
};
use crate::data::Data;

pub static MEASURE: Measure = Measure {
    name: "localisation",
    explanations: &[
        ("all", "over all test images; `correct`: over the images that the network classified correctly"),
        (
            "pointing",
            "the maximum of the map lies in the object's box; `pointing-mask`: on the object's pixels (Zhang et al. 2018, \
             without tolerance)",
        ),
        ("energy", "the share of the map's sum that lies in the box (Wang et al. 2020)"),
        (
            "cam-iou",
            "the mean overlap (IoU) of the object's box with the box around the largest component above 20 % of the map's \
             maximum (Zhou et al. 2016); `cam-box-acc`: the share of images with an overlap of at least 0.5",
        ),
        (
            "max-box-acc",
            "the share of images with an overlap of at least 0.5 at `max-box-threshold`, the threshold for all images that \
             is best on the validation images (Choe et al. 2020)",
        ),
        ("px-ap", "the area under the pixel precision–recall curve (Choe et al. 2020)"),
        (
            "chance",
            "the expected result of a random point: the mean share of the image that the box covers; `chance-mask`: that \
             the object's pixels cover",
        ),
    ],
    check: |canvas, held_out| match canvas {
        Some(Canvas::Centred { .. } | Canvas::Scattered { .. }) if held_out => Ok(()),
        Some(Canvas::Centred { .. } | Canvas::Scattered { .. }) => {
            Err("its threshold is chosen on validation images: hold some out with `validation`")
        }
        _ => Err("the places of the objects must be known: set a `canvas` of kind `scattered`"),
    },
    run: |network, data| {
        let validation = LocatedImages::new(data.validation.as_ref(), data.validation_objects.as_deref());
        let test = LocatedImages::new(Some(&data.test), data.test_objects.as_deref());
        localisation(network, validation.context("validation images")?, test.context("test images")?)
    },
    draw: Some(draw),
};

/// The overlap (IoU) at which a box counts as right.
const MIN_OVERLAP: f64 = 0.5;
/// The threshold of class activation maps as a fraction of the map's maximum (Zhou et al. 2016).
const CAM_THRESHOLD: f32 = 0.2;
/// The number of thresholds tried on the validation images, from 0.00 to 0.99 of the map's range.
const STEPS: u8 = 100;
/// The number of test images that are drawn.
const DRAWN: usize = 8;

/// Images with one object each, whose place is known.
#[derive(Clone, Copy)]
pub struct LocatedImages<'a> {
    images: &'a Images,
    objects: &'a [Object],
}

impl<'a> LocatedImages<'a> {
    /// Pairs images with their objects.
    ///
    /// # Errors
    /// Missing images or objects, or different numbers of them.
    pub fn new(images: Option<&'a Images>, objects: Option<&'a [Object]>) -> Result<Self> {
        let (Some(images), Some(objects)) = (images, objects) else { bail!("the places of the objects are unknown") };
        ensure!(
            images.len() == objects.len(),
            "{} images cannot be paired with {} objects",
            images.len(),
            objects.len()
        );
        Ok(Self { images, objects })
    }
}

/// Measures how well the map of the true class, with negative evidence set to 0, shows where the object is: over all test
/// images (setting `all`) and over the correctly classified ones (`correct`).
///
/// [`MEASURE`] explains each value. A map without evidence counts as a miss, with overlap 0 and energy at chance.
pub fn localisation(network: &TrainedNetwork, validation: LocatedImages, test: LocatedImages) -> Result<Vec<Point>> {
    let threshold = best_threshold(network, validation)?;
    let (mut scores, mut pixels) = (Vec::new(), [Histogram::new(), Histogram::new()]);
    let width = test.images.shape[2];
    for_each_object(network, test, |map, object| {
        let values = &map.values;
        pixels[0].add(values, &object.pixels);
        if map.correct {
            pixels[1].add(values, &object.pixels);
        }
        let on_object = |[y, x]: [usize; 2]| object.pixels.binary_search(&((y * width + x) as u32)).is_ok();
        scores.push(Score {
            correct: map.correct,
            pointing: map.peak.is_some_and(|peak| contains(object.bbox, peak)),
            pointing_mask: map.peak.is_some_and(on_object),
            energy: energy_inside(values, width, object.bbox),
            cam_iou: overlap(box_above(values, width, range(values).1 * CAM_THRESHOLD), object),
            box_iou: overlap(box_above(values, width, of_range(values, threshold)), object),
            chance: area(object.bbox) as f64 / values.len() as f64,
            chance_mask: object.pixels.len() as f64 / values.len() as f64,
        });
    })?;
    let mut points = vec![number("max-box-threshold", None, None, Some(threshold))];
    points.extend(summary("all", &scores, &pixels[0]));
    scores.retain(|score| score.correct);
    points.extend(summary("correct", &scores, &pixels[1]));
    Ok(points)
}

fn for_each_object(
    network: &TrainedNetwork,
    LocatedImages { images, objects }: LocatedImages,
    mut visit: impl FnMut(ClassMap, &Object),
) -> Result<()> {
    let mut objects = objects.iter();
    for_each(network, images, |map| {
        if let Some(object) = objects.next() {
            visit(map, object);
        }
    })
}

/// The results of one image.
struct Score {
    correct: bool,
    pointing: bool,
    pointing_mask: bool,
    energy: f64,
    cam_iou: f64,
    box_iou: f64,
    chance: f64,
    chance_mask: f64,
}

fn summary(setting: &str, scores: &[Score], pixels: &Histogram) -> Vec<Point> {
    let hits = |measure, hit: fn(&Score) -> bool| {
        let point = share(measure, Some(setting), None, &scores.iter().map(hit).collect::<Vec<_>>());
        // Other networks classify other images correctly, so these hits cannot be paired.
        if setting == "all" { point } else { Point { hits: None, ..point } }
    };
    let means = |measure, of: fn(&Score) -> f64| number(measure, Some(setting), None, mean(scores.iter().map(of)));
    vec![
        hits("pointing", |score| score.pointing),
        hits("pointing-mask", |score| score.pointing_mask),
        means("energy", |score| score.energy),
        means("cam-iou", |score| score.cam_iou),
        hits("cam-box-acc", |score| score.cam_iou >= MIN_OVERLAP),
        hits("max-box-acc", |score| score.box_iou >= MIN_OVERLAP),
        number("px-ap", Some(setting), None, pixels.average_precision()),
        means("chance", |score| score.chance),
        means("chance-mask", |score| score.chance_mask),
    ]
}

/// The threshold at which the most boxes are right; of several such thresholds, the highest.
fn best_threshold(network: &TrainedNetwork, validation: LocatedImages) -> Result<f64> {
    let width = validation.images.shape[2];
    let fractions: Vec<f64> = (0..STEPS).rev().map(|step| f64::from(step) / f64::from(STEPS)).collect();
    let mut right = vec![0; fractions.len()];
    for_each_object(network, validation, |map, object| {
        let thresholds: Vec<f32> = fractions.iter().map(|&fraction| of_range(&map.values, fraction)).collect();
        for (right, found) in right.iter_mut().zip(largest_components(&map.values, width, &thresholds)) {
            *right += usize::from(overlap(found, object) >= MIN_OVERLAP);
        }
    })?;
    let best = (0..right.len()).reduce(|best, i| if right[i] > right[best] { i } else { best });
    Ok(best.map_or(0., |best| fractions[best]))
}

/// The value at this fraction of the map's range.
fn of_range(values: &[f32], fraction: f64) -> f32 {
    let (low, high) = range(values);
    low + fraction as f32 * (high - low)
}

fn box_above(values: &[f32], width: usize, threshold: f32) -> Option<Box2d> {
    largest_components(values, width, &[threshold]).pop().flatten()
}

fn overlap(found: Option<Box2d>, object: &Object) -> f64 {
    found.map_or(0., |found| iou(found, object.bbox))
}

/// Draws the first test images and the network's evidence for their classes.
fn draw(network: &TrainedNetwork, data: &Data) -> Result<Maps> {
    let objects = data.test_objects.as_deref().unwrap_or_default();
    let count = DRAWN.min(objects.len());
    let images = data.test.subset(&(0..count).collect::<Vec<_>>());
    let maps = class_maps(network, &images)?;
    let located =
        |index: usize, evidence| LocatedImage { image: rgb(&images, index), bbox: objects[index].bbox, evidence };
    let without_maps: Vec<_> = (0..count).map(|index| located(index, None)).collect();
    let with_maps: Vec<_> = maps.iter().enumerate().map(|(index, map)| located(index, Some(&map.values[..]))).collect();
    Ok(Maps { images: strip(&without_maps), maps: strip(&with_maps) })
}

/// An image in colour, also if it is grey.
fn rgb(images: &Images, index: usize) -> RgbImage {
    let ([channels, height, width], values) = (images.shape, images.image(index));
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        Rgb([0, 1, 2].map(|channel| values[if channels == 3 { channel * height * width + at } else { at }]))
    })
}
