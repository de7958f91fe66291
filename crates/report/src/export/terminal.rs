use tabled::{
    builder::Builder,
    settings::{
        Alignment, Modify, Padding, Style, formatting::AlignmentStrategy, object::Columns, style::HorizontalLine,
    },
};
use unicode_width::UnicodeWidthStr;

use crate::document::{Block, Column, ColumnKind, Document, Table};

/// The number of spaces between two columns.
const GAP: usize = 2;
/// Columns of words narrower than this are not worth reading; the table is split instead.
const NARROWEST_WORDS: usize = 16;

/// Writes a document for a terminal of `width` columns.
///
/// A table that is too wide is written as several, one below the other, each with the columns that name its rows; a
/// column of words is wrapped first. Figures and images are named by their files.
pub fn terminal(document: &Document, width: usize) -> String {
    let mut blocks: Vec<String> = document.blocks.iter().filter_map(|block| written(block, width)).collect();
    if !document.title.is_empty() {
        blocks.insert(0, format!("{}\n", document.title));
    }
    blocks.join("\n")
}

fn written(block: &Block, width: usize) -> Option<String> {
    Some(match block {
        Block::Heading { text, .. } => wrapped(text, width, ""),
        Block::Paragraph(text) => wrapped(&text.plain(), width, ""),
        Block::List(items) => items.iter().map(|item| wrapped(&format!("• {}", item.plain()), width, "  ")).collect(),
        Block::Table(table) => tables(table, width),
        Block::Figure(figure) => wrapped(&format!("{}: {}", figure.file, figure.alternative), width, "  "),
        Block::Image(image) => wrapped(&format!("{}: {}", image.file, image.caption), width, "  "),
        Block::Code { text, .. } => text.lines().map(|line| format!("  {line}\n")).collect(),
        Block::Details { .. } => return None,
    })
}

/// Breaks a text at its spaces; `indent` stands before every line but the first.
fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.trim().is_empty() && line.width() + 1 + word.width() > width {
            lines += &format!("{line}\n");
            line = indent.into();
        } else if !line.trim().is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &line + "\n"
}

fn tables(table: &Table, width: usize) -> String {
    let mut text = if table.caption.is_empty() { String::new() } else { wrapped(&table.caption, width, "") };
    let parts: Vec<String> = split(table, width).iter().map(|columns| part(table, columns, width)).collect();
    text += &parts.join("\n");
    text
}

/// The columns of each part, the keys repeated, so that no part is wider than the terminal if that is possible.
fn split(table: &Table, width: usize) -> Vec<Vec<usize>> {
    let (keys, others): (Vec<usize>, Vec<usize>) =
        (0..table.columns.len()).partition(|&column| table.columns[column].kind == ColumnKind::Key);
    let least = |column: usize| {
        if is_words(table, column) { content(table, column).min(NARROWEST_WORDS) } else { content(table, column) }
    };
    let mut parts = vec![keys.clone()];
    for column in others {
        let last = parts.len() - 1;
        let taken: usize = parts[last].iter().map(|&column| least(column) + GAP).sum();
        if parts[last].len() > keys.len() && taken + least(column) > width {
            parts.push([keys.as_slice(), &[column]].concat());
        } else {
            parts[last].push(column);
        }
    }
    parts
}

/// Returns whether the cells of a column can be wrapped.
fn is_words(table: &Table, column: usize) -> bool {
    matches!(table.columns[column].kind, ColumnKind::Text | ColumnKind::Verdict)
}

/// The width that a column needs: that of its cells, and of its title, which is wrapped unless the column is a key.
fn content(table: &Table, column: usize) -> usize {
    let cells = table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.plain().width());
    let Column { title, kind } = &table.columns[column];
    let title = match kind {
        ColumnKind::Key => title.width(),
        _ => title.split_whitespace().map(UnicodeWidthStr::width).max().unwrap_or_default(),
    };
    cells.max().unwrap_or_default().max(title)
}

/// The widths of a part's columns: columns of words share what the others leave. Titles are not wrapped where there is
/// still room.
fn widths(table: &Table, columns: &[usize], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|&column| content(table, column)).collect();
    let mut words: Vec<usize> = (0..columns.len()).filter(|&place| is_words(table, columns[place])).collect();
    words.sort_by_key(|&place| widths[place]);
    let fixed: usize = (0..columns.len()).filter(|place| !words.contains(place)).map(|place| widths[place]).sum();
    let mut left = width.saturating_sub(fixed + GAP * columns.len().saturating_sub(1));
    for (i, &place) in words.iter().enumerate() {
        widths[place] = widths[place].min((left / (words.len() - i)).max(1));
        left = left.saturating_sub(widths[place]);
    }
    for (width, &column) in widths.iter_mut().zip(columns) {
        let missing = table.columns[column].title.width().saturating_sub(*width);
        if missing <= left {
            (*width, left) = (*width + missing, left - missing);
        }
    }
    widths
}

fn part(table: &Table, columns: &[usize], width: usize) -> String {
    let widths = widths(table, columns, width);
    let fitted = |(&column, &width): (&usize, &usize), text: &str| match table.columns[column].kind {
        ColumnKind::Key => text.to_owned(),
        _ => wrapped(text, width, "").trim_end().to_owned(),
    };
    let mut builder = Builder::default();
    builder.push_record(columns.iter().zip(&widths).map(|column| fitted(column, &table.columns[*column.0].title)));
    for row in &table.rows {
        let text = |column: usize| row.get(column).map_or_else(String::new, |cell| cell.text.plain());
        builder.push_record(columns.iter().zip(&widths).map(|column| fitted(column, &text(*column.0))));
    }
    let mut text = builder.build();
    text.with(Style::blank().remove_vertical().horizontals([(1, HorizontalLine::new('─'))]))
        .with(Padding::new(0, GAP, 0, 0))
        .with(AlignmentStrategy::PerLine)
        .with(Modify::new(Columns::last()).with(Padding::zero()));
    for (place, _) in
        columns.iter().enumerate().filter(|(_, column)| table.columns[**column].kind == ColumnKind::Number)
    {
        text.with(Modify::new(Columns::one(place)).with(Alignment::right()));
    }
    text.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let numbers = ["parameters", "multiply-accumulates", "training (images/s)", "latency (µs)"];
        let columns = numbers.map(Column::number).into_iter();
        let mut table = Table::new([Column::key("head")].into_iter().chain(columns).chain([Column::text("remark")]));
        table.caption = "two-conv on mnist-mini".into();
        for head in ["fc", "fc:128+drop0.5", "gap"] {
            table.push([
                head,
                "225,034",
                "2,631,040",
                "8,858 ± 19 %",
                "63 ± 10 %",
                "as long as a remark of several words may be",
            ]);
        }
        table
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_and_nothing_is_lost() {
        for width in [40, 60, 80, 132] {
            let text = terminal(&table().into(), width);
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            for word in ["fc:128+drop0.5", "225,034", "2,631,040", "19", "63 ± 10 %", "several"] {
                assert!(text.contains(word), "{word} is not in\n{text}");
            }
        }
    }

    #[test]
    fn a_wide_table_is_split_and_names_its_rows_in_each_part() {
        let mut document = Document::new("A page");
        document.paragraph(
            "A paragraph that is so long that it does not fit into one line of the terminal, which has few columns.",
        );
        document
            .list(["an item", "another item that is so long that it continues on a second line, below its first word"]);
        document.table(table());
        insta::assert_snapshot!(terminal(&document, 60));
    }
}
