//! Summaries of networks and single layers, as tables.

mod common;

use candle_core::{Result, Tensor};
use common::{build, vb};
use layers::{Description, Layer, Mode, Stack};
use models::Summary;

fn summary(model: &str) -> Summary {
    let (net, config, _) = build(model, |config| config);
    models::summary(&net, &config.input).unwrap()
}

#[test]
fn the_tables_of_all_models_fit_into_80_columns() {
    for architecture in models::list() {
        let text = summary(architecture.name).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        // A table that is too wide would be split into several.
        assert_eq!(text.matches("layer ").count(), 1, "{text}");
    }
}

#[test]
fn the_column_of_parameters_has_the_trainable_ones() {
    let text = summary("resnet8").to_string();
    let of_batch_norm = text.lines().find(|line| line.contains("bn1")).unwrap();
    assert!(of_batch_norm.contains(" 32") && !of_batch_norm.contains("64"), "{of_batch_norm}");
    for total in
        ["Trainable parameters: 78,186", "Non-trainable parameters: 480", "Total parameters: 78,666", "12,501,632"]
    {
        assert!(text.contains(total), "{total} is not in\n{text}");
    }
}

#[test]
fn the_receptive_field_is_that_of_the_last_layer_before_the_whole_input_is_seen() -> Result<()> {
    let layers = Stack::new(&[1, 8, 8], vb()).conv(4, 3).relu().max_pool(2).flatten().linear(10).build()?;
    assert_eq!(models::summary(&layers, &[1, 8, 8])?.receptive_field, Some(vec![4, 4]));
    let layers = Stack::new(&[1, 8, 8], vb()).flatten().linear(10).relu().build()?;
    let summary = models::summary(&layers, &[1, 8, 8])?;
    assert_eq!(summary.receptive_field, None);
    assert!(summary.to_string().ends_with("the whole input"), "{summary}");
    Ok(())
}

/// A layer with parameters beyond those of the layer that it contains.
struct Scaled<L>(L);

impl<L: Layer> Layer for Scaled<L> {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.0.forward(xs, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let inner = self.0.describe(input)?;
        let params = inner.params + 1;
        Ok(Description::chain("Scaled", input, vec![inner.at("inner")]).with_params(params))
    }
}

#[test]
fn any_layer_has_a_summary_whose_rows_add_up_to_the_totals() -> Result<()> {
    let linear = layers::Linear::new(4, 3, vb())?;
    let single = models::summary(&linear, &[4])?;
    assert_eq!((single.params, single.layers.len(), single.layers[0].params), (15, 1, 15));

    let scaled = models::summary(&Scaled(linear), &[4])?;
    let rows: Vec<_> = scaled.layers.iter().map(|row| (row.path.as_str(), row.params, row.macs)).collect();
    assert_eq!(rows, [("", 1, 0), ("inner", 15, 12)]);
    assert_eq!((scaled.params, scaled.macs), (16, 12));
    Ok(())
}
