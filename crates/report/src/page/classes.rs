//! The section of a suite's page about the classes: how well each is recognised, and what it is taken for.

use records::{Confusion, Row};

use super::{
    confusion::{MOST_IN_MATRIX, class_table, confusion_table, per_cent, short},
    factors::{by_model, name, varying},
};
use crate::{
    document::{Block, Cell, Column, Document, Image, Table, Text},
    number::{NONE, fixed},
};

/// The most variants that the page shows with all their numbers; of more, only what differs most.
const FEW: usize = 4;
/// The number of mistakes, and of classes, that are named of each of many variants.
const NAMED: usize = 3;

/// Appends the accuracy of each class and the most frequent mistakes, over all seeds; nothing if no record has them.
/// `mistakes` are the files of the rows' pictures.
pub fn classes(page: &mut Document, rows: &[Row], mistakes: &[Option<String>]) {
    let shown = rows.iter().filter(|row| row.confusion.is_some()).count();
    if shown == 0 {
        return;
    }
    page.heading(1, "Classes");
    page.paragraph(
        "The accuracy of a class is the share of its test samples that are classified correctly (recall), over all seeds. \
         `per_class.csv` has it with its interval and the precision, `confusion.csv` how often each class is taken for \
         which.",
    );
    let pictures = rows.iter().zip(mistakes).filter_map(|(row, file)| Some((name(row, rows), file.as_ref()?)));
    if shown > FEW {
        many(page, rows);
        let links: Vec<Text> = pictures.map(|(name, file)| Text::link(name, file)).collect();
        if !links.is_empty() {
            page.paragraph("The most confident mistakes of the first seed, as pictures:");
            page.list(links);
        }
        return;
    }
    for row in rows {
        let Some(confusion) = &row.confusion else { continue };
        page.heading(2, format!("{} {} on {}", row.model, row.head, row.dataset));
        page.table(class_table(confusion, row.seeds as u64));
        page.paragraph("Rows are true classes, columns what they were taken for:");
        page.table(confusion_table(confusion));
    }
    page.blocks.extend(pictures.map(|(name, file)| {
        Block::Image(Image {
            file: file.clone(),
            alternative: format!("The most confident mistakes of {name}"),
            caption: format!(
                "{name}, first seed: the wrongly classified test images whose predicted class had the highest probability."
            ),
        })
    }));
}

/// Appends one table per data set and model, with one row per variant.
fn many(page: &mut Document, rows: &[Row]) {
    let factors = varying(rows);
    for rows in by_model(rows) {
        let Some(first) = rows.iter().find_map(|row| row.confusion.as_ref()) else { continue };
        page.heading(2, format!("{} on {}: accuracy by class (%)", rows[0].model, rows[0].dataset));
        let fits = first.classes.len() <= MOST_IN_MATRIX;
        let names = ["head"].into_iter().chain(factors.iter().map(|factor| factor.title)).map(Column::key);
        let classes = (0..first.classes.len()).map(|class| Column::number(short(first, class))).filter(|_| fits);
        let worst = (!fits).then(|| Column::text("lowest accuracies"));
        let mistakes = Column::text("most frequent mistakes");
        let mut table = Table::new(names.chain(classes).chain(worst).chain([mistakes]));
        for row in rows.iter().filter(|row| row.confusion.as_ref().is_some_and(|of| of.classes == first.classes)) {
            let Some(confusion) = &row.confusion else { continue };
            let names = [row.head.clone()].into_iter().chain(factors.iter().map(|factor| (factor.of)(row)));
            let recall = |class| match confusion.recall(class) {
                Some(share) => Cell::number(fixed(100. * share, 2), share),
                None => NONE.into(),
            };
            let classes = (0..confusion.classes.len()).map(recall).filter(|_| fits);
            let worst = (!fits).then(|| lowest(confusion).into());
            table.push(names.map(Cell::from).chain(classes).chain(worst).chain([frequent(confusion).into()]));
        }
        page.table(table);
        page.blocks.extend(rows.iter().filter_map(matrix(rows)));
    }
}

/// The matrix of a variant, on demand.
fn matrix(rows: &[Row]) -> impl Fn(&Row) -> Option<Block> {
    |row| {
        let table = confusion_table(row.confusion.as_ref()?);
        let summary = format!("{}: true classes in rows, what they were taken for in columns", name(row, rows));
        Some(Block::Details { summary, blocks: vec![Block::Table(table)] })
    }
}

/// The classes with the lowest accuracy.
fn lowest(confusion: &Confusion) -> String {
    let accuracies = (0..confusion.classes.len()).filter_map(|class| Some((class, confusion.recall(class)?)));
    let mut accuracies: Vec<(usize, f64)> = accuracies.collect();
    accuracies.sort_by(|a, b| a.1.total_cmp(&b.1));
    let named = accuracies.iter().take(NAMED);
    named
        .map(|(class, share)| format!("{} {}", short(confusion, *class), per_cent(*share)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The most frequent mistakes, with their share of the class's images.
fn frequent(confusion: &Confusion) -> String {
    let words = |&(class, predicted, times): &(usize, usize, u64)| {
        let share = per_cent(times as f64 / confusion.images(class) as f64);
        format!("{} → {} {share}", short(confusion, class), short(confusion, predicted))
    };
    confusion.mistakes().iter().take(NAMED).map(words).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{markdown, terminal};
    use records::{Record, rows, samples::record};

    fn page(records: &[Record], mistakes: &[Option<String>]) -> Document {
        let mut page = Document::default();
        classes(&mut page, &rows(records), mistakes);
        page
    }

    #[test]
    fn few_variants_are_shown_with_all_their_numbers_and_pictures() {
        let records = [record("fc", 0, 0, 0.9), record("fc", 0, 1, 0.9), record("gap", 1, 0, 0.8)];
        let text = markdown(&page(&records, &[Some("mistakes/fc.png".into()), None]));
        assert!(text.contains("### two-conv fc on mnist-mini\n\n| class | samples |"), "{text}");
        // Of 1,000 images per class, each of the two seeds classifies 900 correctly.
        assert!(text.contains("| 3 | 1,000 | 90.00 % | 87.98 to 91.71 | 90.00 % | 4 (200) |"), "{text}");
        assert!(text.contains("| 3 | · | · | · | 1,800 | 200 |"), "{text}");
        assert!(text.contains("](mistakes/fc.png)\n\ntwo-conv fc, first seed"), "{text}");
        assert_eq!(text.matches("mistakes/").count(), 1, "{text}");
    }

    #[test]
    fn many_variants_have_one_line_each() {
        let heads = ["fc", "gap", "gmp", "gap-fc", "gmp-fc"];
        let records: Vec<Record> = heads.iter().zip(0..).map(|(head, order)| record(head, order, 0, 0.9)).collect();
        let mistakes: Vec<Option<String>> = heads.iter().map(|head| Some(format!("mistakes/{head}.png"))).collect();
        let page = page(&records, &mistakes);
        let text = markdown(&page);
        assert!(text.contains("| 90.00 | 0 → 1 10.00 %, 1 → 2 10.00 %, 2 → 3 10.00 % |"), "{text}");
        assert!(text.contains("- [two-conv gmp](mistakes/gmp.png)"), "{text}");
        assert!(text.lines().count() < 30, "{text}");
        assert!(terminal(&page, 80).lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn records_of_earlier_versions_have_no_section() {
        let old = Record { confusion: None, ..record("fc", 0, 1, 0.9) };
        assert_eq!(page(std::slice::from_ref(&old), &[]), Document::default());
        // The counts of one seed are not those of the variant.
        assert_eq!(page(&[record("fc", 0, 0, 0.9), old], &[]), Document::default());
    }
}
