//! What a suite measures on a trained network beside its accuracy. One file each.

mod boxes;
mod class_map;
mod input_size;
mod localisation;
mod picture;
mod pixels;
mod shift;

use anyhow::{Context, Result};
use candle_core::Device;
use datasets::{Canvas, Images, Order, Standardization};
use models::Classifier;
use serde::{Deserialize, Serialize};
use training::{Evaluation, evaluate};

use class_map::{ClassMap, class_maps};
pub use localisation::Located;
use picture::strip;
pub use picture::{Maps, stack};

use crate::{
    bench::INFER_BATCH,
    data::Data,
    misuse::Misuse,
    record::{Point, hex_bits},
};

/// As suites name it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// See [`shift::shift`].
    Shift,
    /// See [`input_size::input_size`].
    InputSize,
    /// See [`localisation::localisation`].
    Localisation,
}

impl Measure {
    /// # Errors
    /// [`Misuse`] for a suite whose images do not allow it.
    pub fn check(self, canvas: Option<Canvas>, held_out: bool) -> Result<()> {
        let missing = match (self, canvas) {
            (Measure::Shift, Some(Canvas::Centred { .. })) | (Measure::InputSize, None) => return Ok(()),
            (Measure::Localisation, Some(Canvas::Centred { .. } | Canvas::Scattered { .. })) if held_out => {
                return Ok(());
            }
            (Measure::Shift, _) => "shift needs images with room around them: a canvas of kind `centred`",
            (Measure::InputSize, _) => "input-size makes images larger and smaller itself: leave the canvas out",
            (Measure::Localisation, Some(Canvas::Centred { .. } | Canvas::Scattered { .. })) => {
                "localisation chooses its threshold on validation images: hold some out with `validation`"
            }
            (Measure::Localisation, _) => "localisation needs to know where objects are: a canvas of kind `scattered`",
        };
        Err(Misuse::new(format!("the measure {missing}")).into())
    }

    /// Measures a trained network on the test images.
    ///
    /// # Errors
    /// Where the data lack what [`Measure::check`] asks for.
    pub fn run(self, model: &Classifier, data: &Data, device: &Device) -> Result<Vec<Point>> {
        let subject = Subject { model, standardization: &data.standardization, device };
        match self {
            Measure::Shift => shift::shift(&subject, &data.plain_test, data.test.shape[1]),
            Measure::InputSize => input_size::input_size(&subject, &data.plain_test),
            Measure::Localisation => {
                let validation = Located::new(data.validation.as_ref(), data.validation_objects.as_deref())
                    .context("validation images")?;
                let test = Located::new(Some(&data.test), data.test_objects.as_deref()).context("test images")?;
                localisation::localisation(&subject, validation, test)
            }
        }
    }
}

/// How many test images are drawn.
const DRAWN: usize = 8;

/// Draws the first test images and where a trained network sees their class, if that is what `measure` measures.
pub fn draw(measure: Option<Measure>, model: &Classifier, data: &Data, device: &Device) -> Result<Option<Maps>> {
    let (Some(Measure::Localisation), Some(objects)) = (measure, &data.test_objects) else { return Ok(None) };
    let count = DRAWN.min(objects.len());
    let (images, objects) = (data.test.subset(&(0..count).collect::<Vec<_>>()), &objects[..count]);
    let subject = Subject { model, standardization: &data.standardization, device };
    let maps = class_maps(&subject, &images)?;
    Ok(Some(Maps { images: strip(&images, objects, None)?, maps: strip(&images, objects, Some(&maps))? }))
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Measure::Shift => "shift",
            Measure::InputSize => "input-size",
            Measure::Localisation => "localisation",
        })
    }
}

/// A trained network, and how images become its input.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub model: &'a Classifier,
    pub standardization: &'a Standardization,
    pub device: &'a Device,
}

impl Subject<'_> {
    fn evaluate(&self, images: &Images) -> candle_core::Result<Evaluation> {
        evaluate(self.model, images.batches(INFER_BATCH, Order::Sequential, self.standardization, self.device))
    }
}

/// A share of the test images, with the hits it is the share of.
fn share(measure: &str, setting: Option<&str>, at: Option<f64>, hits: &[bool]) -> Point {
    let value = mean(hits.iter().map(|&hit| f64::from(u8::from(hit))));
    Point { hits: Some(hex_bits(hits)), ..number(measure, setting, at, value) }
}

fn number(measure: &str, setting: Option<&str>, at: Option<f64>, value: Option<f64>) -> Point {
    Point { measure: measure.into(), setting: setting.map(Into::into), at, value, hits: None }
}

/// None of nothing.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0, 0.), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Tensor};
    use candle_nn::{VarBuilder, VarMap};
    use datasets::{DatasetId, LoadOptions, Placed};
    use models::ModelConfig;

    /// A network all of whose weights are `weight` and whose biases are 0: for the weight 1 ink is evidence for every
    /// class, for −1 nothing is.
    fn uniform(head: &str, size: usize, weight: f64) -> Classifier {
        let variables = VarMap::new();
        let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let config = ModelConfig { input: [1, size, size], classes: 10, head: head.parse().unwrap(), width: 0.1 };
        let model = models::build("two-conv", &config, vb).unwrap();
        for (name, variable) in variables.data().lock().unwrap().iter() {
            let value = if name.ends_with("bias") { 0. } else { weight };
            let filled = Tensor::ones(variable.shape(), DType::F32, &Device::Cpu).and_then(|ones| ones * value);
            variable.set(&filled.unwrap()).unwrap();
        }
        model
    }

    fn digits(count: usize) -> Images {
        let test = datasets::load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap().test;
        test.subset(&(0..count).collect::<Vec<_>>())
    }

    fn value(points: &[Point], measure: &str, setting: &str) -> f64 {
        let point = points.iter().find(|p| p.measure == measure && p.setting.as_deref().unwrap_or_default() == setting);
        point.unwrap_or_else(|| panic!("no {measure} {setting}")).value.unwrap()
    }

    #[test]
    fn a_shift_is_measured_at_each_distance_that_keeps_the_image_whole() {
        let (model, images) = (uniform("fc", 36, 1.), digits(8));
        let standardization = Standardization::of(&images);
        let subject = Subject { model: &model, standardization: &standardization, device: &Device::Cpu };
        let points = shift::shift(&subject, &images, 36).unwrap();
        let at: Vec<_> = points.iter().map(|point| (point.measure.as_str(), point.at.unwrap())).collect();
        assert_eq!(at.len(), 10);
        assert_eq!((at[0], at[1], at[9]), (("top1", 0.), ("consistency", 0.), ("consistency", 4.)));
        // Class 0 wins always, as all logits are equal: right for the digits that are 0.
        let zeros: Vec<bool> = images.labels.iter().map(|&label| label == 0).collect();
        for pair in points.chunks(2) {
            assert_eq!(pair[0].hits, Some(hex_bits(&zeros)));
            assert_eq!((pair[1].value, pair[1].hits.as_deref()), (Some(1.), Some("ff")));
        }
    }

    #[test]
    fn sizes_that_a_network_does_not_take_have_no_value() {
        let images = digits(4);
        let standardization = Standardization::of(&images);
        let possible = |head, setting: &str| -> Vec<f64> {
            let model = uniform(head, 28, 1.);
            let subject = Subject { model: &model, standardization: &standardization, device: &Device::Cpu };
            let points = input_size::input_size(&subject, &images).unwrap();
            let of_setting = points.iter().filter(|point| point.setting.as_deref() == Some(setting));
            of_setting.filter(|point| point.value.is_some()).map(|point| point.at.unwrap()).collect()
        };
        assert_eq!(possible("fc", "resized"), [28.]);
        assert_eq!(possible("fc", "padded"), [28.]);
        assert_eq!(possible("gap", "resized"), [20., 24., 28., 32., 40., 48., 64.]);
        assert_eq!(possible("gap", "padded"), [28., 32., 40., 48., 64.]);
    }

    #[test]
    fn ink_as_evidence_is_found_on_the_digit_and_no_evidence_is_a_miss_at_chance() {
        let Placed { images, objects } = Canvas::Scattered { size: 64, clutter: 0 }.apply(&digits(40), 0).unwrap();
        let located = Located::new(Some(&images), objects.as_deref()).unwrap();
        let standardization = Standardization::of(&images);
        let measured = |head, weight| {
            let model = uniform(head, 64, weight);
            let subject = Subject { model: &model, standardization: &standardization, device: &Device::Cpu };
            localisation::localisation(&subject, located, located).unwrap()
        };
        for head in ["gap", "fc", "gmp-fc"] {
            let points = measured(head, 1.);
            assert_eq!(value(&points, "pointing", "all"), 1., "{head}");
            assert!(value(&points, "energy", "all") > 0.6, "{head}");
            assert!(value(&points, "max-box-acc", "all") >= value(&points, "cam-box-acc", "all"), "{head}");
            assert!(value(&points, "px-ap", "all") > 3. * value(&points, "chance-mask", "all"), "{head}");
        }
        let points = measured("gap", -1.);
        for setting in ["all", "correct"] {
            for measure in ["pointing", "pointing-mask", "cam-iou", "cam-box-acc", "max-box-acc"] {
                assert_eq!(value(&points, measure, setting), 0., "{measure}");
            }
            assert_eq!(value(&points, "energy", setting), value(&points, "chance", setting));
            assert!((value(&points, "px-ap", setting) - value(&points, "chance-mask", setting)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_suite_whose_images_do_not_allow_a_measure_is_told_what_it_needs() {
        let (centred, scattered) = (Canvas::Centred { size: 52 }, Canvas::Scattered { size: 64, clutter: 8 });
        assert!(Measure::Shift.check(Some(centred), false).is_ok());
        assert!(Measure::InputSize.check(None, false).is_ok());
        assert!(Measure::Localisation.check(Some(scattered), true).is_ok());
        for (measure, canvas, held_out, needs) in [
            (Measure::Shift, None, true, "centred"),
            (Measure::Shift, Some(scattered), true, "centred"),
            (Measure::InputSize, Some(centred), true, "leave the canvas out"),
            (Measure::Localisation, Some(scattered), false, "validation"),
            (Measure::Localisation, None, true, "scattered"),
        ] {
            let error = measure.check(canvas, held_out).unwrap_err();
            assert!(error.is::<Misuse>() && error.to_string().contains(needs), "{error}");
        }
    }
}
