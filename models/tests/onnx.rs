//! Networks as ONNX models, for every model of the zoo and every kind of head.
//!
//! Where the environment variable `PYTHON` names an interpreter with onnx and onnxruntime, the models are checked and run
//! there.

#[path = "common/formula.rs"]
mod formula;
#[path = "common/python.rs"]
mod python;

use std::{fs, path::Path};

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use datasets::Standardization;
use formula::{fill, values};
use heads::HeadConfig;
use layers::{
    AvgPool2d, BatchNorm, BatchNormOptions, Conv1dOptions, Conv2dOptions, Layer, MaxPool1d, Mode, PaddedIdentity,
    Pool1dOptions, Residual, Stack, Window,
    graph::{Dim, Graph},
};
use models::{ModelName, NetworkInfo, Trained};
use serde_json::{Value, json};
use training::Parameters;

fn trained(model: &str, head: &str, input: [usize; 3]) -> Trained {
    let model: ModelName = model.parse().unwrap();
    let (mean, std) = (vec![0.4, 0.5, 0.6], vec![0.2, 0.25, 0.3]);
    let info = NetworkInfo {
        model,
        head: head.parse().unwrap(),
        input,
        classes: (0..10).map(|class| class.to_string()).collect(),
        standardization: Standardization { mean: mean[..input[0]].to_vec(), std: std[..input[0]].to_vec() },
        dataset: None,
        training: None,
    };
    let trained = Trained::new(info, Parameters::zeros(&Device::Cpu)).unwrap();
    fill(&trained.parameters).unwrap();
    trained
}

fn json(tensor: &Tensor) -> Result<Value> {
    let values: Vec<f32> = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let dtype = if tensor.dtype() == DType::I64 { "int64" } else { "float32" };
    Ok(json!({"shape": tensor.dims(), "values": values, "dtype": dtype}))
}

/// Writes the model with runs of several batch sizes, and of several sizes of images if it takes them.
fn write(folder: &Path, trained: &Trained, evidence: bool) -> Result<()> {
    let [channels, height, width] = trained.info.input;
    let network = &trained.network;
    let mut runs = Vec::new();
    for (batch, [height, width]) in [(1, [height, width]), (3, [height, width]), (2, [height + 13, width + 8])] {
        if network.head.fixed_input() && height != trained.info.input[1] {
            continue;
        }
        let images = (values("images", &[batch, channels, height, width])? * 0.5)?.affine(1., 0.5)?;
        let features = network.forward_features(&trained.standardize(&images)?, Mode::Inference)?;
        let mut outputs = json!({"logits": json(&network.forward_head(&features, Mode::Inference)?)?});
        if evidence {
            let maps = network.head.class_maps(&features)?.maps.detach();
            outputs["evidence"] = json(&maps.broadcast_sub(&maps.mean_keepdim(1)?)?)?;
        }
        runs.push(json!({"inputs": {"images": json(&images)?}, "outputs": outputs}));
    }
    let name = format!("{} {}", trained.info.model, trained.info.head);
    fs::write(folder.join(format!("{name}.onnx")), onnx::encode(&name, &trained.graph(evidence)?, &[])?)?;
    Ok(fs::write(folder.join(format!("{name}.json")), Value::from(runs).to_string())?)
}

fn run(folder: &Path) {
    if let Some(printed) = python::python("run_onnx.py", &[folder.as_os_str()]) {
        let models = fs::read_dir(folder).unwrap().count() / 2;
        assert_eq!(printed.lines().count(), models);
    }
}

#[test]
fn onnxruntime_computes_the_logits_of_every_model() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for architecture in models::list() {
        let input = architecture.default_input;
        write(
            folder.path(),
            &trained(&format!("{}@0.25", architecture.name), architecture.default_head, input),
            false,
        )?;
    }
    run(folder.path());
    Ok(())
}

#[test]
fn onnxruntime_computes_the_logits_and_the_evidence_of_every_kind_of_head() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let direct = ["gap:direct", "gmp:direct", "fc+drop0.5"].map(|head| head.parse::<HeadConfig>().unwrap());
    for head in HeadConfig::examples().into_iter().map(|(head, _)| head).chain(direct) {
        // A direct head takes its channels as the classes; this backbone has 10 of them.
        let model = if head.to_string().contains("direct") { "two-conv@0.15625" } else { "two-conv@0.25" };
        let trained = trained(model, &head.to_string(), [1, 28, 28]);
        let with_evidence = trained.graph(true);
        let needs_gradients = ["fc:128", "fc:128+drop0.5", "spp-fc"].contains(&head.to_string().as_str());
        match &with_evidence {
            Ok(_) => assert!(!needs_gradients, "{head}"),
            Err(error) => assert!(needs_gradients && error.to_string().contains("need gradients"), "{head}: {error}"),
        }
        write(folder.path(), &trained, with_evidence.is_ok())?;
    }
    run(folder.path());
    Ok(())
}

/// Writes layers for sequences or images of this shape with runs on them.
fn write_layers(folder: &Path, name: &str, layers: &dyn Layer, parameters: &Parameters, xs: &Tensor) -> Result<()> {
    fill(parameters)?;
    let ys = layers.forward(xs, Mode::Inference)?;
    let mut graph = Graph::default();
    let sizes = |tensor: &Tensor| {
        let sizes = tensor.dims()[1..].iter().map(|&size| Dim::Fixed(size));
        [Dim::Symbolic("batch".into())].into_iter().chain(sizes).collect()
    };
    let input = graph.input("xs", xs.dtype(), sizes(xs));
    let output = layers.export(&xs.dims()[1..], &mut graph, &input)?;
    graph.output("ys", &output, sizes(&ys));
    fs::write(folder.join(format!("{name}.onnx")), onnx::encode(name, &graph, &[])?)?;
    let runs = json!([{"inputs": {"xs": json(xs)?}, "outputs": {"ys": json(&ys)?}}]);
    Ok(fs::write(folder.join(format!("{name}.json")), runs.to_string())?)
}

#[test]
fn onnxruntime_computes_the_layers_that_no_model_of_the_zoo_has() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, xs: &Tensor, build: &dyn Fn(VarBuilder<'static>) -> Result<Box<dyn Layer>>| {
        let parameters = Parameters::zeros(&Device::Cpu);
        let layers = build(parameters.builder())?;
        write_layers(folder.path(), name, &layers, &parameters, xs)
    };
    let images = values("images", &[2, 3, 11, 14])?;
    let options = |stride, padding| Pool1dOptions::new(3).stride(stride).padding(padding);
    write("poolings with padding", &images, &|vb| {
        let window = Window::pool(3).stride(2).padding(1);
        let stack = Stack::new(&[3, 11, 14], vb).layer(|_, _| Ok(AvgPool2d(window))).max_pool_with(window);
        Ok(Box::new(stack.elu().spatial_dropout(0.5).build()?))
    })?;
    write("a shortcut that adds an odd number of channels", &images, &|vb| {
        let body = Stack::new(&[3, 11, 14], vb).conv_with(8, Conv2dOptions::same(3).stride(2)).build()?;
        Ok(Box::new(Residual::new(body).with_shortcut(PaddedIdentity { stride: 2, channels: 8 })))
    })?;
    write("batch normalisation of vectors", &images, &|vb| {
        let norm = |shape: &[usize], vb| BatchNorm::new(shape[0], BatchNormOptions::default().eps(1e-3), vb);
        Ok(Box::new(Stack::new(&[3, 11, 14], vb).global_avg_pool().layer(norm).relu().linear(2).build()?))
    })?;
    let ids = Tensor::new(&[[1i64, 0, 5, 2, 3, 3, 1, 4, 0, 2, 5, 1], [0; 12]], &Device::Cpu)?;
    write("sequences", &ids, &|vb| {
        let branch = |stack: Stack<'static>, kernel: usize| {
            let conv = stack.conv1d_with(4, Conv1dOptions::same(kernel).stride(2)).batch_norm().elu();
            conv.layer(|_, _| Ok(MaxPool1d(options(2, 1)))).layer(|_, _| Ok(layers::AvgPool1d(options(1, 1))))
        };
        let parallel = Stack::new(&[12], vb).embedding(6, 5).parallel([2, 3, 4], branch);
        Ok(Box::new(parallel.global_max_pool().linear(3).build()?))
    })?;
    for (head, _) in HeadConfig::examples().into_iter().filter(|(head, _)| *head != "fc:128+drop0.5".parse().unwrap()) {
        let sequences = values("images", &[2, 3, 9])?;
        write(&format!("sequences {head}"), &sequences, &|vb| Ok(Box::new(heads::Head::new(&head, &[3, 9], 4, vb)?)))?;
    }
    run(folder.path());
    Ok(())
}

#[test]
fn a_layer_without_an_export_is_named() -> Result<()> {
    struct Sine;
    impl Layer for Sine {
        fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
            xs.sin()
        }

        fn describe(&self, input: &[usize]) -> Result<layers::Description> {
            Ok(layers::Description::pointwise("Sine", input.to_vec()))
        }
    }
    let vb = Parameters::zeros(&Device::Cpu).builder();
    let stack = Stack::new(&[3, 4, 4], vb).conv(2, 3).layer(|_, _| Ok(Sine)).build()?;
    let mut graph = Graph::default();
    let input = graph.input("xs", DType::F32, Vec::new());
    let error = stack.export(&[3, 4, 4], &mut graph, &input).unwrap_err().to_string();
    assert!(
        error.contains("Sine cannot be exported for an input of [2, 2, 2]") && error.contains("layer 1"),
        "{error}"
    );
    Ok(())
}

#[test]
fn equal_networks_give_equal_files_with_named_parameters() -> Result<()> {
    let encode = || onnx::encode("net", &trained("resnet8@0.25", "attn-fc", [3, 32, 32]).graph(true)?, &[]);
    assert!(encode()? == encode()?);
    let trained = trained("resnet8@0.25", "attn-fc", [3, 32, 32]);
    let graph = trained.graph(true)?;
    for (name, variable) in trained.parameters.all() {
        let constants: Vec<_> = graph.constants().iter().filter(|(other, _)| *other == name).collect();
        assert_eq!(constants.len(), 1, "{name}");
        assert_eq!(constants[0].1.flatten_all()?.to_vec1::<f32>()?, variable.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(())
}
