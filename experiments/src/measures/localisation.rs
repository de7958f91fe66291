//! The measure `localisation`: whether the evidence for the true class lies on the object.

use anyhow::{Context, Result, bail, ensure};
use datasets::{Canvas, Images, Object, Splits};
use localisation::{MIN_OVERLAP, PixelHistogram, PixelMap, Score, ThresholdSearch};
use records::Point;
use report::{LocatedImage, strip};

use super::{
    class_map::class_maps,
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
        (
            "other-image",
            "the map of another image in the place of the own one: what a map of this form gives by chance, for boxes as well \
             as points",
        ),
        ("untrained", "the maps of the same network before it was trained"),
        ("intensity", "the brightness of the image as its map"),
        (
            "centre",
            "a box in the middle of the image, as large as the objects are on average, as the map of every image",
        ),
    ],
    check: |canvas, held_out| match canvas {
        Some(Canvas::Centred { .. } | Canvas::Scattered { .. }) if held_out => Ok(()),
        Some(Canvas::Centred { .. } | Canvas::Scattered { .. }) => {
            Err("its threshold is chosen on validation images: hold some out with `validation`")
        }
        _ => Err("the places of the objects must be known: set a `canvas` of kind `scattered`"),
    },
    run: |network, untrained, data| {
        let validation = LocatedImages::new(data.validation.as_ref(), data.validation_objects.as_deref());
        let test = LocatedImages::new(Some(&data.test), data.test_objects.as_deref());
        localisation(network, untrained, validation.context("validation images")?, test.context("test images")?)
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
/// images (setting `all`) and over the correctly classified ones (`correct`). The other settings are baselines, which take
/// other maps in its place.
///
/// [`MEASURE`] explains each value and setting. A map without evidence counts as a miss, with overlap 0 and energy at chance.
pub fn localisation(
    network: &TrainedNetwork,
    untrained: &TrainedNetwork,
    validation: LocatedImages,
    test: LocatedImages,
) -> Result<Vec<Point>> {
    let [held_out, maps] = [validation, test].map(|located| class_maps(network, located.images));
    let (held_out, maps) = (held_out?, maps?);
    let correct: Vec<bool> = maps.iter().map(|map| map.correct).collect();
    let own = [held_out, maps].map(|maps| maps.into_iter().map(|map| map.map).collect::<Vec<_>>());
    let scored = Scored::new(&own, validation, test);
    let mut points = vec![Point::number("max-box-threshold", None, None, Some(scored.threshold))];
    points.extend(scored.summary("all", None));
    points.extend(scored.summary("correct", Some(&correct)));

    let shifted = own.each_ref().map(|maps| rotated(maps));
    points.extend(Scored::new(&shifted, validation, test).summary("other-image", None));
    let before = [validation, test].map(|located| class_maps(untrained, located.images));
    let [held_out, maps] = before;
    let before = [held_out?, maps?].map(|maps| maps.into_iter().map(|map| map.map).collect::<Vec<_>>());
    points.extend(Scored::new(&before, validation, test).summary("untrained", None));
    let [held_out, maps] = [validation, test].map(intensity);
    points.extend(Scored::new(&[held_out?, maps?], validation, test).summary("intensity", None));
    points.extend(
        Scored::new(&[validation, test].map(|located| centre(located, validation)), validation, test)
            .summary("centre", None),
    );
    Ok(points)
}

/// The scores of one map per test image.
struct Scored<'a> {
    maps: &'a [PixelMap],
    objects: &'a [Object],
    /// The threshold of `max-box-acc`, which is best on the validation images.
    threshold: f64,
    scores: Vec<Score>,
}

impl<'a> Scored<'a> {
    fn new([held_out, maps]: &'a [Vec<PixelMap>; 2], validation: LocatedImages, test: LocatedImages<'a>) -> Self {
        let mut search = ThresholdSearch::new();
        held_out.iter().zip(validation.objects).for_each(|(map, object)| search.add(map, object));
        let threshold = search.best();
        let scores = maps.iter().zip(test.objects).map(|(map, object)| Score::new(map, object, threshold)).collect();
        Self { maps, objects: test.objects, threshold, scores }
    }

    /// The values over all images, or over those that are `chosen`.
    fn summary(&self, setting: &str, chosen: Option<&[bool]>) -> Vec<Point> {
        let is_chosen = |index: &usize| chosen.is_none_or(|chosen| chosen[*index]);
        let indices: Vec<usize> = (0..self.scores.len()).filter(is_chosen).collect();
        let scores: Vec<Score> = indices.iter().map(|&index| self.scores[index]).collect();
        let mut pixels = PixelHistogram::new();
        indices.iter().for_each(|&index| pixels.add(&self.maps[index], &self.objects[index].pixels));
        let hits = |measure, hit: fn(&Score) -> bool| {
            let point = Point::share(measure, Some(setting), None, &scores.iter().map(hit).collect::<Vec<_>>());
            // Other networks classify other images correctly, so these hits cannot be paired.
            if chosen.is_none() { point } else { Point { hits: None, ..point } }
        };
        let means = |measure, of: fn(&Score) -> f64| Point::number(measure, Some(setting), None, mean(&scores, of));
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
}

/// The maps, each in the place of the one before it.
fn rotated(maps: &[PixelMap]) -> Vec<PixelMap> {
    let mut rotated = maps.to_vec();
    if !rotated.is_empty() {
        rotated.rotate_left(1);
    }
    rotated
}

/// The brightness of each image, the mean over its channels.
fn intensity(located: LocatedImages) -> Result<Vec<PixelMap>> {
    let [channels, height, width] = located.images.shape;
    let map = |index| -> Result<PixelMap> {
        let pixels = located.images.image(index)?;
        let brightness =
            |at: usize| (0..channels).map(|channel| f32::from(pixels[channel * height * width + at])).sum();
        let values: Vec<f32> = (0..height * width).map(brightness).collect();
        let peak = (0..values.len()).reduce(|best, at| if values[at] > values[best] { at } else { best });
        Ok(PixelMap { values, width, peak: peak.map(|at| [at / width, at % width]) })
    };
    (0..located.images.len()).map(map).collect()
}

/// A box in the middle of each image with the mean height and width of the objects of `others`.
fn centre(located: LocatedImages, others: LocatedImages) -> Vec<PixelMap> {
    let [_, height, width] = located.images.shape;
    let mean_side = |axis: usize| {
        let sides = others.objects.iter().map(|object| object.bbox[axis + 2] - object.bbox[axis]);
        sides.sum::<usize>() / others.objects.len().max(1)
    };
    let range = |size: usize, side: usize| (size - side.min(size)) / 2..(size + side.min(size)) / 2;
    let (rows, columns) = (range(height, mean_side(0)), range(width, mean_side(1)));
    let inside = |at: usize| rows.contains(&(at / width)) && columns.contains(&(at % width));
    let values = (0..height * width).map(|at| if inside(at) { 1. } else { 0. }).collect();
    vec![PixelMap { values, width, peak: Some([height / 2, width / 2]) }; located.images.len()]
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
