use crate::document::{Block, Column, ColumnKind, Document, Span, Table, Text};

/// Writes a document as GitHub-flavoured Markdown. Figures and images are referred to by their file names.
pub fn markdown(document: &Document) -> String {
    let mut blocks: Vec<String> = document.blocks.iter().filter_map(block).collect();
    if !document.title.is_empty() {
        blocks.insert(0, format!("# {}\n", document.title));
    }
    blocks.join("\n")
}

fn block(block: &Block) -> Option<String> {
    Some(match block {
        Block::Heading { level, text } => format!("{} {text}\n", "#".repeat(usize::from(*level) + 1)),
        Block::Paragraph(text) => format!("{}\n", inline(text)),
        Block::List(items) => items.iter().map(|item| format!("- {}\n", inline(item))).collect(),
        Block::Table(table) => rows(table),
        Block::Figure(figure) => image(&figure.alternative, &figure.file),
        Block::Image(shown) => format!("{}\n{}\n", image(&shown.alternative, &shown.file), shown.caption),
        Block::Code { language, text } => format!("```{language}\n{}\n```\n", text.trim_end()),
        Block::Details { .. } => return None,
    })
}

fn inline(text: &Text) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => text.clone(),
        Span::Strong(text) => format!("**{text}**"),
        Span::Code(text) => format!("`{text}`"),
        Span::Link { text, target } => format!("[{text}]({target})"),
    };
    text.0.iter().map(span).collect()
}

fn image(alternative: &str, file: &str) -> String {
    format!("![{}]({file})\n", alternative.replace(['[', ']'], ""))
}

fn rows(table: &Table) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = |column: &Column| if column.kind == ColumnKind::Number { "---:" } else { "---" };
    let mut text = if table.caption.is_empty() { String::new() } else { format!("{}\n\n", table.caption) };
    text += &line(table.columns.iter().map(|column| column.title.clone()).collect());
    text += &line(table.columns.iter().map(|column| rule(column).into()).collect());
    for row in &table.rows {
        text += &line(row.iter().map(|cell| inline(&cell.text)).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Figure, Image};

    #[test]
    fn every_block_is_written_and_a_bar_does_not_end_a_cell() {
        let mut document = Document::new("A page");
        document.paragraph("What does `fc` cost?");
        document.heading(1, "Results");
        let mut table = Table::new([Column::key("head"), Column::number("n"), Column::verdict("verdict")]);
        table.push([Text::from("a|b"), Text::from("1"), Text::strong("holds")]);
        document.table(table);
        document.list([Text::link("a suite", "heads/README.md")]);
        let (alternative, file) = ("A plot [1]".to_string(), "plot.svg".to_string());
        document.blocks.push(Block::Figure(Figure { file, svg: "<svg/>".into(), alternative }));
        let (file, alternative) = ("maps.png".to_string(), "Maps".to_string());
        document.blocks.push(Block::Image(Image { file, alternative, caption: "What they show.".into() }));
        document.blocks.push(Block::Code { language: "sh", text: "run heads\n".into() });
        insta::assert_snapshot!(markdown(&document));
    }
}
