//! The measure `localisation`: whether the evidence for the true class lies on the object.

use anyhow::{Context, Result, bail, ensure};
use datasets::{Canvas, Images, Object, Splits};
use localisation::{MIN_OVERLAP, PixelHistogram, Score, ThresholdSearch};
use records::Point;
use report::{LocatedImage, strip};

use super::{
    class_map::{ClassMap, class_maps, for_each},
    measure::{Maps, Measure},
    network::TrainedNetwork,
};

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
    let mut search = ThresholdSearch::new();
    for_each_object(network, validation, |ClassMap { map, .. }, object| search.add(&map, object))?;
    let threshold = search.best();
    let (mut scores, mut pixels) = (Vec::new(), [PixelHistogram::new(), PixelHistogram::new()]);
    for_each_object(network, test, |ClassMap { map, correct }, object| {
        pixels[0].add(&map, &object.pixels);
        if correct {
            pixels[1].add(&map, &object.pixels);
        }
        scores.push((correct, Score::new(&map, object, threshold)));
    })?;
    let all: Vec<Score> = scores.iter().map(|(_, score)| *score).collect();
    let correct: Vec<Score> = scores.iter().filter(|(correct, _)| *correct).map(|(_, score)| *score).collect();
    let mut points = vec![Point::number("max-box-threshold", None, None, Some(threshold))];
    points.extend(summary("all", &all, &pixels[0]));
    points.extend(summary("correct", &correct, &pixels[1]));
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

fn summary(setting: &str, scores: &[Score], pixels: &PixelHistogram) -> Vec<Point> {
    let hits = |measure, hit: fn(&Score) -> bool| {
        let point = Point::share(measure, Some(setting), None, &scores.iter().map(hit).collect::<Vec<_>>());
        // Other networks classify other images correctly, so these hits cannot be paired.
        if setting == "all" { point } else { Point { hits: None, ..point } }
    };
    let means = |measure, of: fn(&Score) -> f64| Point::number(measure, Some(setting), None, mean(scores, of));
    vec![
        hits("pointing", |score| score.pointing),
        hits("pointing-mask", |score| score.pointing_mask),
        means("energy", |score| score.energy),
        means("cam-iou", |score| score.cam_iou),
        hits("cam-box-acc", |score| score.cam_iou >= MIN_OVERLAP),
        hits("max-box-acc", |score| score.box_iou >= MIN_OVERLAP),
        Point::number("px-ap", Some(setting), None, pixels.average_precision()),
        means("chance", |score| score.chance),
        means("chance-mask", |score| score.chance_mask),
    ]
}

/// The mean over images; `None` without images.
fn mean(scores: &[Score], of: fn(&Score) -> f64) -> Option<f64> {
    (!scores.is_empty()).then(|| scores.iter().map(of).sum::<f64>() / scores.len() as f64)
}

/// Draws the first test images and the network's evidence for their classes.
fn draw(network: &TrainedNetwork, data: &Splits) -> Result<Maps> {
    let objects = data.test_objects.as_deref().unwrap_or_default();
    let count = DRAWN.min(objects.len());
    let images = data.test.subset(&(0..count).collect::<Vec<_>>());
    let maps = class_maps(network, &images)?;
    let located = |(index, evidence): (usize, _)| -> Result<LocatedImage> {
        Ok(LocatedImage { image: images.rgb(index)?, bbox: objects[index].bbox, evidence })
    };
    let without_maps = (0..count).map(|index| located((index, None))).collect::<Result<Vec<_>>>()?;
    let with_maps = maps.iter().map(|map| Some(&map.map.values[..])).enumerate().map(located);
    Ok(Maps { images: strip(&without_maps), maps: strip(&with_maps.collect::<Result<Vec<_>>>()?) })
}
