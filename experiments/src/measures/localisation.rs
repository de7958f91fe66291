//! Whether the evidence for the true class lies on the object.

use anyhow::{Result, bail, ensure};
use datasets::{Images, Object};

use super::{
    Subject,
    boxes::{Box2d, area, contains, iou, largest_components},
    class_map::{ClassMap, for_each},
    mean, number,
    pixels::{Histogram, energy_inside, range},
    share,
};
use crate::record::Point;

/// From which overlap on a box counts as right.
const RIGHT: f64 = 0.5;
/// Of the maximum, by the rule of class activation maps (Zhou et al. 2016).
const CAM_THRESHOLD: f32 = 0.2;
/// The thresholds that are tried on the validation images: 0.00 to 0.99 of the map's range.
const STEPS: u8 = 100;

/// Images and their objects, one each.
#[derive(Clone, Copy)]
pub struct Located<'a> {
    images: &'a Images,
    objects: &'a [Object],
}

impl<'a> Located<'a> {
    /// # Errors
    /// Where there are no images, or it is not known where their objects are.
    pub fn new(images: Option<&'a Images>, objects: Option<&'a [Object]>) -> Result<Self> {
        let (Some(images), Some(objects)) = (images, objects) else { bail!("it is not known where objects are") };
        ensure!(images.len() == objects.len(), "{} images have {} objects", images.len(), objects.len());
        Ok(Self { images, objects })
    }
}

/// How well the map of the true class, cut off at 0 and laid over the image, shows where the object is: over all test
/// images (setting `all`) and over those that are classified right (`correct`).
///
/// | measure | |
/// | --- | --- |
/// | `pointing`, `pointing-mask` | the most evidence lies in the object's box, on its pixels (Zhang et al. 2018, no tolerance) |
/// | `energy` | share of the map's sum in the box (Wang et al. 2020) |
/// | `cam-iou`, `cam-box-acc` | box around the largest component above 20 % of the maximum: mean overlap (IoU), share of 0.5 and more |
/// | `max-box-acc` | share of 0.5 and more with one threshold for all images (Choe et al. 2020), the best on the validation images: `max-box-threshold` |
/// | `px-ap` | area under the pixel precision–recall curve (Choe et al. 2020) |
/// | `chance`, `chance-mask` | what a point or pixel drawn at random gives: mean share of the image in the box, in the object |
///
/// A map without evidence is a miss: overlap 0, energy at chance.
pub fn localisation(subject: &Subject, validation: Located, test: Located) -> Result<Vec<Point>> {
    let threshold = best_threshold(subject, validation)?;
    let (mut scores, mut pixels) = (Vec::new(), [Histogram::new(), Histogram::new()]);
    let width = test.images.shape[2];
    for_each_object(subject, test, |map, object| {
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
    subject: &Subject,
    Located { images, objects }: Located,
    mut visit: impl FnMut(ClassMap, &Object),
) -> Result<()> {
    let mut objects = objects.iter();
    for_each(subject, images, |map| {
        if let Some(object) = objects.next() {
            visit(map, object);
        }
    })
}

/// One image's.
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
        // Of the images that are classified right other networks have others: nothing to pair.
        if setting == "all" { point } else { Point { hits: None, ..point } }
    };
    let means = |measure, of: fn(&Score) -> f64| number(measure, Some(setting), None, mean(scores.iter().map(of)));
    vec![
        hits("pointing", |score| score.pointing),
        hits("pointing-mask", |score| score.pointing_mask),
        means("energy", |score| score.energy),
        means("cam-iou", |score| score.cam_iou),
        hits("cam-box-acc", |score| score.cam_iou >= RIGHT),
        hits("max-box-acc", |score| score.box_iou >= RIGHT),
        number("px-ap", Some(setting), None, pixels.average_precision()),
        means("chance", |score| score.chance),
        means("chance-mask", |score| score.chance_mask),
    ]
}

/// The threshold with the most boxes right; of equally good ones the highest.
fn best_threshold(subject: &Subject, validation: Located) -> Result<f64> {
    let width = validation.images.shape[2];
    let fractions: Vec<f64> = (0..STEPS).rev().map(|step| f64::from(step) / f64::from(STEPS)).collect();
    let mut right = vec![0; fractions.len()];
    for_each_object(subject, validation, |map, object| {
        let thresholds: Vec<f32> = fractions.iter().map(|&fraction| of_range(&map.values, fraction)).collect();
        for (right, found) in right.iter_mut().zip(largest_components(&map.values, width, &thresholds)) {
            *right += usize::from(overlap(found, object) >= RIGHT);
        }
    })?;
    let best = (0..right.len()).reduce(|best, i| if right[i] > right[best] { i } else { best });
    Ok(best.map_or(0., |best| fractions[best]))
}

/// The value that is this fraction of the way from the map's least to its greatest.
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
