//! Trained networks that are kept: those of the zoo are part of the project, and any suite can publish its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use models::{DeepConvDtiInfo, NetworkInfo, Trained};
use records::{Record, Status, Store, file_name, write_file};
use report::{Card, card, markdown};

use crate::{errors::in_one_line, misuse::Misuse, output::note, suite::Outline};

/// The folder of the project's trained networks, below the current one.
const FOLDER: &str = "results/zoo";
const EXTENSION: &str = "safetensors";

/// Reads a trained network from a file, or from the zoo by its name.
///
/// # Errors
/// [`Misuse`] for what is neither; a file that holds no trained network.
pub fn load(weights: &str) -> Result<Trained> {
    let path = find(weights)?;
    if let Ok(Some(_)) = DeepConvDtiInfo::find(&path) {
        return Err(Misuse::new(format!(
            "{weights} is a network for protein–drug pairs, not for images; `predict` takes --protein and --fingerprint, or \
             --pairs, for it"
        ))
        .into());
    }
    Ok(Trained::load(&path)?)
}

/// The file of trained weights that is meant: a path, or the name of a network of the zoo.
///
/// # Errors
/// [`Misuse`] for what is neither.
pub fn find(weights: &str) -> Result<PathBuf, Misuse> {
    let named = Path::new(FOLDER).join(format!("{weights}.{EXTENSION}"));
    [PathBuf::from(weights), named].into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Misuse::new(format!(
            "there is no file {weights}, and no trained network of this name in {FOLDER}; `list weights` shows those that \
             are there"
        ))
    })
}

/// Names the networks of the zoo, with a description of one line each, or the reason why a file cannot be read.
pub fn list() -> Result<Vec<(String, String)>> {
    let Ok(entries) = fs::read_dir(FOLDER) else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort();
    let named = |path: PathBuf| {
        let description = describe(&path).unwrap_or_else(|error| format!("cannot be read: {}", in_one_line(&error)));
        (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), description)
    };
    Ok(paths.into_iter().map(named).collect())
}

/// Describes the network in a file.
fn describe(path: &Path) -> Result<String> {
    let (what, dataset, training) = match DeepConvDtiInfo::find(path)? {
        Some(info) => (format!("DeepConv-DTI with {}, pairs", info.config.head), info.dataset, info.training),
        None => {
            let info = NetworkInfo::read(path)?;
            let what = format!("{} with {}, {} classes", info.model, info.head, info.classes.len());
            (what, info.dataset, info.training)
        }
    };
    let top1 = training.and_then(|training| training["top1"].as_f64());
    let top1 = top1.map_or(String::new(), |top1| format!(", {:.2} %", 100. * top1));
    Ok(format!("{what} of {}{top1}", dataset.as_deref().unwrap_or("an unknown data set")))
}

/// Publishes the first network of each variant of a suite that asks for it: copies it from `sources`, the folders of the
/// suite's results, to `folder/NAME.safetensors` and writes its card, `folder/NAME.md`. A network whose weights have not
/// been kept is left as it was published before. Returns the names.
///
/// # Errors
/// Files that cannot be read or written.
pub fn publish(folder: &Path, sources: &[&Path], outline: &Outline, records: &[Record]) -> Result<Vec<String>> {
    let (mut variants, mut published) = (Vec::new(), Vec::new());
    for record in records.iter().filter(|record| record.status == Status::Ok) {
        let Some(purpose) = outline.publish.get(&record.config.dataset) else { continue };
        if variants.contains(&&record.config_hash) {
            continue;
        }
        variants.push(&record.config_hash);
        let name = name(record);
        let file = folder.join(format!("{name}.{EXTENSION}"));
        let mut trained = sources.iter().map(|source| Store::new(source.to_path_buf()).weights(&record.config));
        if let Some(trained) = trained.find(|path| path.is_file()) {
            let bytes = fs::read(&trained).with_context(|| trained.display().to_string())?;
            write_file(&file, bytes)?;
        }
        let Ok(metadata) = fs::metadata(&file) else {
            note(&format!("{name} is not published: its weights were not kept; train it again"));
            continue;
        };
        if Trained::load(&file)?.parameters.sha256()? != record.weights_sha256 {
            note(&format!("{} holds other weights than those of its record; train it again", file.display()));
            continue;
        }
        let path = file.display().to_string();
        let card = card(&Card { name: &name, file: &path, record, purpose, bytes: metadata.len() });
        write_file(&folder.join(format!("{name}.md")), markdown(&card))?;
        published.push(name);
    }
    Ok(published)
}

/// The name of a published network: `MODEL-HEAD.DATASET`, with the variant's setting if it has one.
fn name(record: &Record) -> String {
    let config = &record.config;
    let setting = config.setting.as_ref().map_or(String::new(), |setting| format!("-{setting}"));
    file_name(&format!("{}-{}{setting}.{}", config.model, config.head, config.dataset).replace(' ', "-"))
}
