//! The card of a trained network: what it is, how good it is, and how it is used.

use records::Record;
use statistics::wilson;

use super::confusion::{class_table, confusion_table, per_cent};
use crate::{
    document::{Block, Column, Document, Table},
    number::{count, fixed, whole},
};

/// The material of a network's card.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// The name of the network, which is also that of its file without the extension.
    pub name: &'a str,
    /// The record of the run that trained it.
    pub record: &'a Record,
    /// The path of its file.
    pub file: &'a str,
    /// The intended uses of the network, and the uses that are to be avoided.
    pub purpose: &'a str,
    /// The size of its file in bytes.
    pub bytes: u64,
}

/// Builds the card of a trained network.
pub fn card(Card { name, file, record, purpose, bytes }: &Card) -> Document {
    let config = &record.config;
    let mut page = Document::new(*name);
    page.paragraph(format!(
        "{} with the head {}, trained on {}, takes images of {} (channels x height x width) and gives the probabilities \
         of {} classes.",
        config.model, config.head, config.dataset, config.input, config.classes
    ));
    page.paragraph(*purpose);
    page.heading(1, "Facts");
    page.table(facts(record, *bytes));
    if let Some(confusion) = &record.confusion {
        page.heading(1, "Classes");
        page.table(class_table(confusion, 1));
        page.heading(1, "Confusion");
        page.paragraph("One row per true class, one column per predicted class, counted over the test images.");
        page.table(confusion_table(confusion));
    }
    page.heading(1, "Use");
    page.paragraph("On the command line, for images of any size and colour:");
    code(&mut page, "sh", format!("cargo run -p experiments -- predict {file} IMAGE.png --cam OUT.png"));
    page.paragraph("In Rust:");
    code(&mut page, "rust", RUST.replace("FILE", file));
    page.paragraph(
        "In Python, as a dictionary of tensors with the names of a PyTorch `state_dict`, or as a whole network in ONNX, \
         which `cargo run -p experiments -- export FILE OUT.onnx` writes:",
    );
    code(&mut page, "python", PYTHON.replace("FILE", file).replace("NAME", name));
    page
}

const RUST: &str = "let trained = models::load(\"FILE\")?;
// Pixels from 0 to 1, in the shape (N, C, H, W).
for prediction in trained.predict(&images)? {
    println!(\"{}\", prediction.classes[0].class);
}";

const PYTHON: &str = "import onnxruntime, safetensors.torch

state_dict = safetensors.torch.load_file(\"FILE\")

network = onnxruntime.InferenceSession(\"NAME.onnx\")
# Pixels from 0 to 1, in the shape (N, C, H, W).
logits = network.run([\"logits\"], {\"images\": images})[0]";

fn code(page: &mut Document, language: &'static str, text: String) {
    page.blocks.push(Block::Code { language, text });
}

fn facts(record: &Record, bytes: u64) -> Table {
    let config = &record.config;
    let mut table = Table::new([Column::key("fact"), Column::text("value")]);
    let mut fact = |name: &str, value: String| table.push([name.to_string(), value]);
    if let Some(outcome) = &record.outcome {
        let images = record
            .confusion
            .as_ref()
            .map_or(0, |confusion| (0..confusion.classes.len()).map(|class| confusion.images(class)).sum());
        let interval = wilson(outcome.top1, images).map_or(String::new(), |[low, high]| {
            format!(" [{}, {}] of {} test images", fixed(100. * low, 2), fixed(100. * high, 2), count(images))
        });
        fact("test accuracy, with 95 % interval", per_cent(outcome.top1) + &interval);
        fact("training accuracy", per_cent(outcome.train_top1));
    }
    fact("parameters", count(record.param_count as u64));
    fact("multiply-accumulates per image", count(record.macs));
    if let Some(speed) = &record.speed {
        fact("time for one image", format!("{} µs on {}", whole(speed.latency_us.median), record.cpu.model));
    }
    fact("size of the file", format!("{} kB", count(bytes.div_ceil(1000))));
    let length = match (config.updates, config.epochs) {
        (Some(updates), _) => format!("{} updates", count(updates)),
        (None, Some(1)) => "1 epoch".into(),
        (None, epochs) => format!("{} epochs", epochs.unwrap_or_default()),
    };
    let augmented = config.augment.as_ref().map_or(String::new(), |augment| format!(", augmented by {augment}"));
    fact(
        "training",
        format!(
            "{length} of {} images{augmented} in batches of {}, {}, peak learning rate {}, {}, seed {}",
            count(config.train_size as u64),
            config.batch_size,
            config.optimizer,
            config.lr,
            config.schedule,
            config.seed
        ),
    );
    fact("trained on", format!("{} ({})", record.cpu.model, record.cpu.instruction_set));
    fact("versions", record.versions.to_string());
    fact("hash of the weights", format!("`{}`", record.weights_sha256));
    table
}

#[cfg(test)]
mod tests {
    use records::samples::record;

    use super::*;
    use crate::export::markdown;

    #[test]
    fn a_card_says_what_the_network_is_how_good_it_is_and_how_it_is_used() {
        let (name, file) = ("two-conv-fc.mnist", "results/zoo/two-conv-fc.mnist.safetensors");
        let record = &record("fc", 0, 0, 0.98);
        let card = card(&Card { name, file, record, purpose: "For digits.", bytes: 140_520 });
        insta::assert_snapshot!(markdown(&card));
    }
}
