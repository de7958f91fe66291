//! A head on a backbone of plain candle-nn layers, trained on MNIST with candle's optimiser. At the end the program draws
//! where the network sees evidence for the class of a few test images.
//!
//! ```sh
//! cargo run -p examples --bin candle-backbone -- maps.png
//! ```

use std::path::PathBuf;

use anyhow::{Context, Result};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::{AdamW, Conv2d, Conv2dConfig, Module, ModuleT, Optimizer, VarBuilder, VarMap, conv2d};
use datasets::{Images, LoadOptions, Order, Standardization};
use heads::Head;
use image::{GrayImage, Luma};

/// Three convolutions, two of them with stride 2: (N, 1, 28, 28) → (N, 64, 7, 7).
struct Backbone {
    convolutions: [Conv2d; 3],
}

impl Backbone {
    fn new(vb: VarBuilder) -> Result<Self> {
        let same = Conv2dConfig { padding: 2, ..Default::default() };
        let halving = Conv2dConfig { stride: 2, ..same };
        let convolutions = [
            conv2d(1, 16, 5, halving, vb.pp("0"))?,
            conv2d(16, 32, 5, halving, vb.pp("1"))?,
            conv2d(32, 64, 5, same, vb.pp("2"))?,
        ];
        Ok(Self { convolutions })
    }

    fn forward(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        self.convolutions.iter().try_fold(images.clone(), |xs, convolution| convolution.forward(&xs)?.relu())
    }
}

fn main() -> Result<()> {
    let picture = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "maps.png".into()));
    let device = Device::Cpu;
    let data = datasets::load(&"mnist-mini".parse()?, &LoadOptions::default())?;
    let train = data.train.stratified_subset(4_000, 0)?;
    let standardization = Standardization::of(&train)?;

    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let backbone = Backbone::new(vb.pp("backbone"))?;
    // Any head goes here: try `fc`, `gmp-fc` or `attn-fc`.
    let head = Head::new(&"gap-fc".parse()?, &[64, 7, 7], data.classes.len(), vb.pp("head"))?;

    let mut optimizer = AdamW::new_lr(variables.all_vars(), 3e-3)?;
    for epoch in 0..3 {
        for batch in train.batches(64, Order::Shuffled { seed: 0, epoch }, &standardization, &device) {
            let (images, labels) = batch?;
            let logits = head.forward_t(&backbone.forward(&images)?, true)?;
            optimizer.backward_step(&ops::cross_entropy(&logits, &labels)?)?;
        }
    }

    let mut hits = 0.;
    for batch in data.test.batches(256, Order::Sequential, &standardization, &device) {
        let (images, labels) = batch?;
        let logits = head.forward_t(&backbone.forward(&images)?, false)?;
        hits += logits.argmax(D::Minus1)?.eq(&labels)?.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?;
    }
    println!("test accuracy: {:.1} %", 100. * hits / data.test.len() as f32);

    let few = data.test.subset(&[0, 1, 2, 3, 4, 5, 6, 7]);
    draw(&few, &evidence(&backbone, &head, &few, &standardization)?, &picture)?;
    println!("{}: images and the evidence for their classes", picture.display());
    Ok(())
}

/// The evidence for the true class of each image, (N, 7, 7).
fn evidence(backbone: &Backbone, head: &Head, images: &Images, standardization: &Standardization) -> Result<Tensor> {
    let batch = images.batches(images.len(), Order::Sequential, standardization, &Device::Cpu).next();
    let (xs, labels) = batch.context("there are no images")??;
    let maps = head.class_maps(&backbone.forward(&xs)?)?.maps.detach();
    // Adding one vector to the weights of all classes changes the maps, but not the probabilities.
    let maps = maps.broadcast_sub(&maps.mean_keepdim(1)?)?;
    let of_class =
        labels.to_vec1::<u32>()?.into_iter().enumerate().map(|(image, class)| maps.get(image)?.get(class as usize));
    Ok(Tensor::stack(&of_class.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
}

/// Draws each image above its map.
fn draw(images: &Images, maps: &Tensor, path: &std::path::Path) -> Result<()> {
    const SIDE: usize = 28;
    let maps: Vec<Vec<Vec<f32>>> = maps.to_vec3()?;
    let mut picture = GrayImage::new((SIDE * images.len()) as u32, 2 * SIDE as u32);
    for (index, map) in maps.iter().enumerate() {
        let pixels = images.image(index)?;
        let largest = map.iter().flatten().copied().fold(f32::MIN_POSITIVE, f32::max);
        for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
            let column = (SIDE * index + x) as u32;
            picture.put_pixel(column, y as u32, Luma([pixels[SIDE * y + x]]));
            let value = map[y / 4][x / 4].max(0.) / largest;
            picture.put_pixel(column, (SIDE + y) as u32, Luma([(255. * value) as u8]));
        }
    }
    picture.save(path).with_context(|| path.display().to_string())
}
