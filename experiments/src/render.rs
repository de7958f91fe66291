//! The tables, figures and page of a suite, made from its records.

use std::path::Path;

use anyhow::{Result, bail};
use records::{Row, file_name, rows, write_file};
use report::{Figure, Image, PlotSpec};

use crate::{
    files::{read_maps, save_page, save_png},
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
    write_file(&folder.join("summary.csv"), report::summary_csv(&rows)?)?;
    if let Some(measures) = report::measures_csv(&rows)? {
        write_file(&folder.join("measures.csv"), measures)?;
    }
    let figures = write_figures(folder, &outline.plots, &rows);
    let images = write_images(folder, sources, &rows);
    let published = publish(folder, sources, &outline, &records);
    let compared = statistics::compare(&outline.comparisons, &outline.claims, &records);

    let mut measures: Vec<&str> = records.iter().filter_map(|record| record.config.measure.as_deref()).collect();
    measures.dedup();
    let known = measures.into_iter().filter_map(|name| measures::find(name).ok());
    let explanations: Vec<_> = known.flat_map(|measure| measure.explanations).copied().collect();
    let compared_or_none = compared.as_deref().unwrap_or_default();
    let suite = report::SuiteReport {
        question: outline.question.as_deref(),
        records: &records,
        rows: &rows,
        left_out: &left_out,
        missing,
        compared: compared_or_none,
        verdicts: &statistics::judge(&outline.claims, compared_or_none),
        explanations: &explanations,
        figures: figures.as_deref().unwrap_or_default(),
        published: published.as_deref().unwrap_or_default(),
        images: images.as_deref().unwrap_or_default(),
    };
    save_page(folder, &report::suite_page(&suite))?;
    print_document(&report::suite_overview(&suite))?;
    published?;
    figures?;
    images?;
    compared?;
    Ok(())
}

/// Draws the plots that the suite asks for, or the default ones, into `folder`.
fn write_figures(folder: &Path, plots: &[PlotSpec], rows: &[Row]) -> Result<Vec<Figure>> {
    let (figures, without_data) = report::figures(plots, rows)?;
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
