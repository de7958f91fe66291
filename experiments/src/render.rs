//! The tables, figures and page of a suite, made from its records.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use records::{Record, Row, create_folder, file_name, rows, write_file};
use report::{Figure, Image, PlotSpec};

use crate::{
    files::{mistakes_file, read_maps, read_trials, save_page, save_png},
    measures,
    output::{note, print_document},
    results::SuiteResults,
    zoo::publish,
};

/// Writes the tables, figures and page into `folder` and prints the table. The records are those in all of `sources`.
///
/// # Errors
/// Missing records and unwritable files. The table is written and printed even if a figure, a picture or a comparison
/// fails.
pub fn render(folder: &Path, sources: &[&Path]) -> Result<()> {
    let Some(SuiteResults { outline, records, left_out, missing, .. }) = SuiteResults::read(sources)? else {
        bail!("{} has no records to render", folder.display())
    };
    left_out.iter().for_each(|what| note(&report::left_out(what)));
    if records.is_empty() {
        bail!("{} has no records of the runs in its plan.json to render", folder.display())
    }
    let rows = rows(&records);
    for (file, csv) in [
        ("summary.csv", Some(report::summary_csv(&rows)?)),
        ("measures.csv", report::measures_csv(&rows)?),
        ("curves.csv", report::curves_csv(&rows, &records)?),
        ("per_class.csv", report::per_class_csv(&rows)?),
        ("confusion.csv", report::confusion_csv(&rows)?),
    ] {
        csv.map(|csv| write_file(&folder.join(file), csv)).transpose()?;
    }
    let mut trials = Vec::new();
    for source in sources {
        trials.extend(read_trials(source)?);
    }
    let doubts = outline.doubts(&records, &trials);
    let figures = write_figures(folder, &outline.plots, &rows, &records);
    let images = write_images(folder, sources, &rows);
    let published = publish(folder, sources, &outline, &records);
    let mistakes = collect_mistakes(folder, sources, &rows, &records);
    let compared = statistics::compare(&outline.comparisons, &outline.claims, &records);

    let mut measures: Vec<&str> = records.iter().filter_map(|record| record.config.measure.as_deref()).collect();
    measures.dedup();
    let explanations: Vec<_> = measures.into_iter().flat_map(measures::explanations).copied().collect();
    let compared_or_none = compared.as_deref().unwrap_or_default();
    let suite = report::SuiteReport {
        question: outline.question.as_deref(),
        records: &records,
        rows: &rows,
        left_out: &left_out,
        missing,
        doubts: &doubts,
        remarks: &outline.remarks,
        compared: compared_or_none,
        judged: &statistics::judge(&outline.claims, compared_or_none),
        explanations: &explanations,
        figures: figures.as_deref().unwrap_or_default(),
        published: published.as_deref().unwrap_or_default(),
        images: images.as_deref().unwrap_or_default(),
        mistakes: mistakes.as_deref().unwrap_or_default(),
    };
    save_page(folder, &report::suite_page(&suite))?;
    print_document(&report::suite_overview(&suite))?;
    published?;
    figures?;
    images?;
    mistakes?;
    compared?;
    Ok(())
}

/// Draws the plots that the suite asks for, or the default ones, and the learning curves into `folder`.
fn write_figures(folder: &Path, plots: &[PlotSpec], rows: &[Row], records: &[Record]) -> Result<Vec<Figure>> {
    let (mut figures, without_data) = report::figures(plots, rows)?;
    figures.extend(report::learning_curves(rows, records)?);
    for figure in &figures {
        write_file(&folder.join(&figure.file), &figure.svg)?;
    }
    without_data.iter().for_each(|file| note(&format!("plot `{file}` is left out because there are no data for it")));
    Ok(figures)
}

/// Composes the class maps in `sources` into a picture for each model, in `folder`.
fn write_images(folder: &Path, sources: &[&Path], rows: &[Row]) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for (image, picture) in report::maps(rows, |factors| read_maps(sources, factors))? {
        let image = Image { file: file_name(&image.file), ..image };
        save_png(&folder.join(&image.file), &picture)?;
        images.push(image);
    }
    Ok(images)
}

/// Finds the picture of each row's mistakes, that of its first seed, and copies those of other folders into `folder`.
fn collect_mistakes(folder: &Path, sources: &[&Path], rows: &[Row], records: &[Record]) -> Result<Vec<Option<String>>> {
    let of_row = |records: &[Record]| -> Result<Option<String>> {
        let Some(first) = records.iter().min_by_key(|record| record.config.seed) else { return Ok(None) };
        let file = mistakes_file(&first.config);
        let Some(source) = sources.iter().map(|source| source.join(&file)).find(|path| path.is_file()) else {
            return Ok(None);
        };
        let target = folder.join(&file);
        if source != target {
            target.parent().map(create_folder).transpose()?;
            let picture = fs::read(&source).with_context(|| source.display().to_string())?;
            write_file(&target, picture)?;
        }
        Ok(Some(file))
    };
    let groups = records.chunk_by(|a, b| a.config_hash == b.config_hash);
    debug_assert_eq!(groups.clone().count(), rows.len());
    groups.map(of_row).collect()
}
