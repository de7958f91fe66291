//! What suites measure on a trained network besides its accuracy. A measure is one file and one line in [`MEASURES`].

mod binding;
mod class_map;
mod input_size;
mod localisation;
mod measure;
mod network;
mod position_probe;
mod shift;

pub use binding::{Answered, BINDING, measure_binding};
pub use measure::{Maps, Measure};
pub use network::TrainedNetwork;

/// All measures.
static MEASURES: &[&Measure] =
    &[&shift::MEASURE, &input_size::MEASURE, &localisation::MEASURE, &position_probe::MEASURE];

/// Finds the measure of this name.
///
/// # Errors
/// The names that are possible.
pub fn find(name: &str) -> Result<&'static Measure, String> {
    let found = MEASURES.iter().copied().find(|measure| measure.name == name);
    found.ok_or_else(|| {
        let names = MEASURES.iter().map(|measure| measure.name).collect::<Vec<_>>().join(", ");
        format!("unknown measure `{name}`; the measures are {names}")
    })
}

/// Returns the explanations of the quantities of the measure of this name, which a run's configuration names.
pub fn explanations(name: &str) -> &'static [(&'static str, &'static str)] {
    if name == BINDING { binding::EXPLANATIONS } else { find(name).map_or(&[], |measure| measure.explanations) }
}

#[cfg(test)]
mod tests {
    use super::{localisation::LocatedImages, network::TrainedNetwork, *};
    use candle_core::{DType, Device, Tensor};
    use candle_nn::{VarBuilder, VarMap};
    use datasets::{Canvas, DatasetId, Images, LoadOptions, Placed, Standardization};
    use models::{Classifier, ModelConfig};
    use records::{Point, hex_bits};

    use crate::misuse::Misuse;

    /// A network all of whose weights are `weight` and whose biases are 0, but for the last weights of all classes except the
    /// first, which are 0: for the weight 1 ink is evidence for the first class, for −1 nothing is.
    fn uniform(head: &str, size: usize, weight: f64) -> Classifier {
        let variables = VarMap::new();
        let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let config = ModelConfig { input: [1, size, size], classes: 10, head: head.parse().unwrap(), width: 0.1 };
        let model = models::build("two-conv", &config, vb).unwrap();
        for (name, variable) in variables.data().lock().unwrap().iter() {
            let value = if name.ends_with("bias") { 0. } else { weight };
            let mut values = vec![value as f32; variable.elem_count()];
            if name.starts_with("classifier") {
                let of_class = values.len() / 10;
                values[of_class..].fill(0.);
            }
            variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu).unwrap()).unwrap();
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
        let standardization = Standardization::of(&images).unwrap();
        let network = TrainedNetwork { model: &model, standardization: &standardization, device: &Device::Cpu };
        let points = shift::shift(&network, &images, 36).unwrap();
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
        let standardization = Standardization::of(&images).unwrap();
        let possible = |head, setting: &str| -> Vec<f64> {
            let model = uniform(head, 28, 1.);
            let network = TrainedNetwork { model: &model, standardization: &standardization, device: &Device::Cpu };
            let points = input_size::input_size(&network, &images).unwrap();
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
        let Placed { mut images, objects } = Canvas::Scattered { size: 64, clutter: 0 }.apply(&digits(40), 0).unwrap();
        images.labels.fill(0);
        let located = LocatedImages::new(Some(&images), objects.as_deref()).unwrap();
        let standardization = Standardization::of(&images).unwrap();
        let measured = |head, weight| {
            let model = uniform(head, 64, weight);
            let network = TrainedNetwork { model: &model, standardization: &standardization, device: &Device::Cpu };
            localisation::localisation(&network, &network, located, located).unwrap()
        };
        for head in ["gap", "fc", "gmp-fc"] {
            let points = measured(head, 1.);
            assert_eq!(value(&points, "pointing", "all"), 1., "{head}");
            assert!(value(&points, "energy", "all") > 0.6, "{head}");
            // Here the network is its own untrained form, and the brightness is the digit.
            assert_eq!(value(&points, "energy", "untrained"), value(&points, "energy", "all"), "{head}");
            assert_eq!(value(&points, "pointing", "intensity"), 1., "{head}");
            for baseline in ["other-image", "centre"] {
                assert!(value(&points, "pointing", baseline) < 0.5, "{head}, {baseline}");
                assert!(value(&points, "max-box-acc", baseline) < 0.5, "{head}, {baseline}");
            }
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
    fn flattened_features_tell_the_place_of_a_digit_and_pooled_ones_do_not() {
        let Placed { images, objects } = Canvas::Scattered { size: 64, clutter: 0 }.apply(&digits(300), 0).unwrap();
        let (objects, standardization) = (objects.unwrap(), Standardization::of(&images).unwrap());
        let parts =
            [0..200, 200..250, 250..300].map(|part| (images.subset(&part.clone().collect::<Vec<_>>()), &objects[part]));
        let parts = parts.each_ref().map(|(images, objects)| (images, *objects));
        for (head, of_classifier) in [("fc", true), ("gap-fc", false)] {
            let model = uniform(head, 64, 1.);
            let network = TrainedNetwork { model: &model, standardization: &standardization, device: &Device::Cpu };
            let points = position_probe::position_probe(&network, parts).unwrap();
            for measure in ["probe-r2", "probe-in-box"] {
                assert!(value(&points, measure, "features") > 0.7, "{head}: {points:?}");
                assert_eq!(value(&points, measure, "last-layer") > 0.7, of_classifier, "{head}: {points:?}");
            }
        }
    }

    #[test]
    fn a_suite_whose_images_do_not_allow_a_measure_is_told_what_it_needs() {
        let (centred, scattered) = (Canvas::Centred { size: 52 }, Canvas::Scattered { size: 64, clutter: 8 });
        assert!(shift::MEASURE.check_images(Some(centred), false).is_ok());
        assert!(input_size::MEASURE.check_images(None, false).is_ok());
        assert!(localisation::MEASURE.check_images(Some(scattered), true).is_ok());
        for (measure, canvas, held_out, needs) in [
            (&shift::MEASURE, None, true, "centred"),
            (&shift::MEASURE, Some(scattered), true, "centred"),
            (&input_size::MEASURE, Some(centred), true, "leave the canvas out"),
            (&localisation::MEASURE, Some(scattered), false, "validation"),
            (&localisation::MEASURE, None, true, "scattered"),
        ] {
            let error: Misuse = measure.check_images(canvas, held_out).unwrap_err();
            assert!(error.to_string().contains(needs), "{error}");
        }
    }
}
