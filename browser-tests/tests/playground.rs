//! The playground, drawn on with a mouse.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use browser_tests::Page;
use candle_core::{DType, Device, Tensor};
use datasets::{DatasetId, LoadOptions};
use headless_chrome::browser::tab::point::Point;
use layers::{Layer, Mode};
use models::Trained;
use serde_json::Value;
use tempfile::TempDir;

const NETWORKS: [&str; 3] = ["two-conv-fc.mnist", "two-conv-gap.mnist", "two-conv-gmp-fc.mnist"];
/// The most by which a logit of the page may differ.
const TOLERANCE: f64 = 1e-3;

fn zoo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/zoo").join(format!("{name}.safetensors"))
}

/// Writes the page of these networks, as the program does.
fn playground(folder: &TempDir) -> PathBuf {
    let out = folder.path().join("playground.html");
    let words = ["experiments", "playground", "--out"].map(Into::into);
    let weights = NETWORKS.map(|name| zoo(name).into_os_string());
    let arguments = words.into_iter().chain([out.clone().into_os_string()]).chain(weights);
    assert_eq!(format!("{:?}", experiments::run(arguments)), format!("{:?}", std::process::ExitCode::SUCCESS));
    out
}

#[test]
#[expect(clippy::print_stdout, reason = "the differences are wanted with --nocapture")]
fn the_script_computes_the_logits_of_the_library() -> Result<()> {
    let folder = TempDir::new()?;
    let file = playground(&folder);
    assert!(fs::metadata(&file)?.len() < 3_000_000, "the page is larger than 3 MB");
    let Some(page) = Page::open(&file, 1280, false)? else { return Ok(()) };
    let test = datasets::load(&DatasetId::MnistMini, &LoadOptions::default())?.test;
    let (mut pixels, count) = (Vec::new(), 200);
    for index in 0..count {
        pixels.extend_from_slice(&test.image(index)?);
    }
    let images = Tensor::from_slice(&pixels, (count, 1, 28, 28), &Device::Cpu)?;
    let images = (images.to_dtype(DType::F32)? / 255.)?;
    let encoded = STANDARD.encode(&pixels);
    for (place, name) in NETWORKS.iter().enumerate() {
        let script = format!(
            "(() => {{
               const data = JSON.parse(document.getElementById('data').textContent);
               const network = new Network(data.networks[{place}]);
               const bytes = Uint8Array.from(atob('{encoded}'), (letter) => letter.charCodeAt(0));
               const logits = [];
               for (let i = 0; i < {count}; i++) {{
                 const pixels = Float32Array.from(bytes.subarray(784 * i, 784 * (i + 1)), (byte) => byte / 255);
                 logits.push(...network.run(pixels).logits.data);
               }}
               return logits;
             }})()"
        );
        let shown = page.evaluate(&script)?;
        let trained = Trained::load(zoo(name))?;
        let logits = trained.network.forward(&trained.standardize(&images)?, Mode::Inference)?;
        let expected: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        let shown: Vec<f64> = shown.as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap()).collect();
        assert_eq!(shown.len(), expected.len());
        let worst = shown.iter().zip(&expected).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0., f64::max);
        println!("{name}: largest difference of a logit {worst:.1e}");
        assert!(worst < TOLERANCE, "{name}: {worst}");
    }
    page.close()
}

#[test]
fn one_draws_drags_and_takes_the_tour() -> Result<()> {
    let folder = TempDir::new()?;
    let file = playground(&folder);
    for (width, dark) in [(1280, false), (390, true)] {
        let Some(page) = Page::open(&file, width, dark)? else { return Ok(()) };
        let wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")?;
        assert_eq!(wide, false, "the page is wider than {width} pixels");
        page.picture(&format!("playground-{width}-{}", if dark { "dark" } else { "light" }))?;

        // A sample is recognised by all heads; dragged far away, the flattened one says something else.
        page.evaluate("document.querySelectorAll('#samples button')[8].click()")?;
        assert_eq!(answers(&page)?, ["8", "8", "8"], "an eight in the middle");
        page.evaluate("document.querySelector('input[name=mode][value=move]').click()")?;
        drag(&page, &[(0.5, 0.5), (0.5, 0.6), (0.5, 0.5 + 6. / 28.)])?;
        let down = page.evaluate("Number(document.getElementById('y').value)")?.as_f64();
        assert_eq!(down, Some(6.), "dragged down by six pixels");
        let after = answers(&page)?;
        assert!(after[0] != "8" && after[1..] == ["8", "8"], "moved by six pixels, it is {after:?}");
        page.picture(&format!("playground-dragged-{width}"))?;

        // Keys do what the mouse does.
        page.evaluate("document.getElementById('surface').focus()")?;
        page.tab.press_key("ArrowRight")?;
        let right = page.evaluate("Number(document.getElementById('x').value)")?.as_f64();
        assert_eq!(right, Some(1.), "an arrow key moves by one pixel");

        // A stroke on the empty surface is a one for most.
        page.evaluate("document.getElementById('clear').click()")?;
        assert_eq!(answers(&page)?, ["–", "–", "–"], "nothing is drawn");
        page.evaluate("document.querySelector('input[name=mode][value=draw]').click()")?;
        drag(&page, &[(0.52, 0.2), (0.5, 0.4), (0.49, 0.6), (0.48, 0.8)])?;
        let drawn = answers(&page)?;
        assert!(drawn.iter().filter(|answer| *answer == "1").count() >= 2, "a vertical stroke is {drawn:?}");

        page.evaluate("document.getElementById('start-tour').click()")?;
        for step in 1..=5 {
            let count = page.evaluate("document.getElementById('tour-count').textContent")?;
            assert!(count.as_str().unwrap().contains(&step.to_string()), "{count}");
            std::thread::sleep(Duration::from_millis(300));
            page.picture(&format!("playground-tour-{step}-{width}"))?;
            if step < 5 {
                page.evaluate("document.getElementById('tour-next').click()")?;
            }
        }
        page.tab.press_key("Escape")?;
        assert_eq!(page.evaluate("document.getElementById('tour').hidden")?, true, "Escape closes the tour");
        page.close()?;
    }
    Ok(())
}

/// Returns the class that each head answers, once the page has drawn itself.
fn answers(page: &Page) -> Result<Vec<String>> {
    let script = "new Promise((resolve) => setTimeout(() => requestAnimationFrame(() => resolve(
        [...document.querySelectorAll('.card .answer')].map((node) => node.textContent))), 100))";
    let Value::Array(answers) = page.evaluate(script)? else { return Ok(Vec::new()) };
    Ok(answers.iter().map(|answer| answer.as_str().unwrap_or_default().to_string()).collect())
}

/// Presses the mouse button at the first of these places, given as shares of the surface's sides, and releases it at the
/// last.
fn drag(page: &Page, places: &[(f64, f64)]) -> Result<()> {
    page.evaluate("document.getElementById('surface').scrollIntoView({ block: 'center' })")?;
    let rect = page.evaluate("(({ x, y, width, height }) => [x, y, width, height])(document.getElementById('surface').getBoundingClientRect())")?;
    let rect: Vec<f64> = rect.as_array().unwrap().iter().map(|side| side.as_f64().unwrap()).collect();
    ensure!(rect[2] > 100., "the surface is too small to draw on: {rect:?}");
    let at = |&(x, y): &(f64, f64)| Point { x: rect[0] + x * rect[2], y: rect[1] + y * rect[3] };
    browser_tests::drag(&page.tab, &places.iter().map(at).collect::<Vec<_>>())
}
