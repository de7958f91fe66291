//! Pages as HTML: one file without any reference to the network, which a browser opens from disk.

use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{HTML_FILE, MARKDOWN_FILE, MARKER};
use crate::document::{Block, Cell, Column, ColumnKind, Document, Figure, Image, Span, Table, Text};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes a document as a page of HTML that contains all that it shows: drawings, pictures, its style, and a script that
/// sorts and filters tables. `picture` reads the PNG file of this name; where there is none, the page refers to the file.
pub fn html(document: &Document, picture: &dyn Fn(&str) -> Option<Vec<u8>>) -> String {
    let sections: Vec<(usize, &str)> = document
        .blocks
        .iter()
        .enumerate()
        .filter_map(|(place, block)| match block {
            Block::Heading { level: 1, text } => Some((place, text.as_str())),
            _ => None,
        })
        .collect();
    let body = html! {
        @for (place, written) in document.blocks.iter().enumerate() {
            (block(written, place, picture))
        }
    };
    let page = html! {
        (DOCTYPE)
        (PreEscaped(MARKER))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "To the content" }
                header {
                    h1 { (document.title) }
                    @if sections.len() > 2 {
                        nav aria-label="Sections" {
                            ul { @for (place, text) in &sections { li { a href=(format!("#s{place}")) { (text) } } } }
                        }
                    }
                }
                main #content { (body) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn block(block: &Block, place: usize, picture: &dyn Fn(&str) -> Option<Vec<u8>>) -> Markup {
    match block {
        Block::Heading { level: 1, text } => html! { h2 id=(format!("s{place}")) { (text) } },
        Block::Heading { text, .. } => html! { h3 id=(format!("s{place}")) { (text) } },
        Block::Paragraph(text) => html! { p { (inline(text)) } },
        Block::List(items) => html! { ul { @for item in items { li { (inline(item)) } } } },
        Block::Table(shown) => table(shown, place),
        Block::Figure(shown) => figure(shown),
        Block::Image(shown) => image(shown, picture),
        Block::Code { text, .. } => html! { pre tabindex="0" { code { (text.trim_end()) } } },
        Block::Details { summary, blocks } => html! {
            details {
                summary { (summary) }
                @for inner in blocks { (self::block(inner, place, picture)) }
            }
        },
    }
}

fn inline(text: &Text) -> Markup {
    html! {
        @for span in &text.0 {
            @match span {
                Span::Plain(text) => (text),
                Span::Strong(text) => strong { (text) },
                Span::Code(text) => code { (text) },
                Span::Link { text, target } => a href=(address(target)) { (text) },
            }
        }
    }
}

/// The address of a page in this format.
fn address(target: &str) -> String {
    match target.strip_suffix(MARKDOWN_FILE) {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => format!("{folder}{HTML_FILE}"),
        _ => target.into(),
    }
}

/// The drawing itself. Its marks have titles, which a browser shows where the mouse rests.
fn figure(Figure { svg, alternative, .. }: &Figure) -> Markup {
    html! {
        figure {
            div.drawing role="img" aria-label=(alternative) tabindex="0" { (PreEscaped(svg)) }
        }
    }
}

fn image(Image { file, alternative, caption }: &Image, picture: &dyn Fn(&str) -> Option<Vec<u8>>) -> Markup {
    let source = picture(file).map(|png| format!("data:image/png;base64,{}", STANDARD.encode(png)));
    html! {
        figure {
            img src=(source.as_ref().unwrap_or(file)) alt=(alternative);
            figcaption { (caption) }
        }
    }
}

/// The table in a region that scrolls. `place`, that of the block, tells the regions of a page apart.
fn table(table: &Table, place: usize) -> Markup {
    let titles: Vec<&str> = table.columns.iter().take(2).map(|column| column.title.as_str()).collect();
    let name =
        format!("Table {place}: {}", if table.caption.is_empty() { titles.join(", ") } else { table.caption.clone() });
    html! {
        div.table role="region" aria-label=(name) tabindex="0" {
            table data-shaded[table.is_shaded] {
                @if !table.caption.is_empty() { caption { (table.caption) } }
                thead { tr { @for column in &table.columns { th scope="col" class=(class(column)) { (column.title) } } } }
                tbody { @for row in &table.rows { (line(table, row)) } }
            }
        }
    }
}

fn line(table: &Table, row: &[Cell]) -> Markup {
    // Counts in a row are shaded by their share of it.
    let total: f64 = row.iter().filter_map(|cell| cell.value).sum();
    let share = |cell: &Cell| cell.value.filter(|_| table.is_shaded && total > 0.).map(|value| value / total);
    html! {
        tr {
            @for (column, cell) in table.columns.iter().zip(row) {
                @let value = cell.value.map(|value| value.to_string());
                @let shade = share(cell).map(|share| format!("--share:{:.0}%", 100. * share));
                @let verdict = (column.kind == ColumnKind::Verdict).then(|| cell.text.plain());
                @if column.kind == ColumnKind::Key {
                    th scope="row" data-value=[value] { (inline(&cell.text)) }
                } @else {
                    td class=(class(column)) data-value=[value] style=[shade] data-verdict=[verdict] { (inline(&cell.text)) }
                }
            }
        }
    }
}

fn class(column: &Column) -> &'static str {
    match column.kind {
        ColumnKind::Key => "key",
        ColumnKind::Text => "text",
        ColumnKind::Number => "number",
        ColumnKind::Verdict => "verdict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_its_pictures_escapes_words_and_leads_to_pages_of_its_kind() {
        let mut document = Document::new("a < b");
        document.paragraph(Text::link("a suite", "heads/README.md"));
        document.paragraph(Text::link("a card", "zoo/MY-README.md"));
        let mut table = Table::new([Column::key("head"), Column::number("n"), Column::verdict("verdict")]);
        table.push([Cell::from("fc & <gap>"), Cell::number("1,000", 1000.), Text::strong("yes").into()]);
        document.table(table);
        for file in ["maps.png", "elsewhere.png"] {
            let (file, alternative) = (file.to_string(), "\"Maps\"".to_string());
            document.blocks.push(Block::Image(Image { file, alternative, caption: String::new() }));
        }
        let blocks = vec![Block::Paragraph("inside".into())];
        document.blocks.push(Block::Details { summary: "more".into(), blocks });
        let page = html(&document, &|file| (file == "maps.png").then(|| b"PNG".to_vec()));
        for part in [
            "<title>a &lt; b</title>",
            "href=\"heads/report.html\"",
            "href=\"zoo/MY-README.md\"",
            "fc &amp; &lt;gap&gt;",
            "data-value=\"1000\"",
            "data-verdict=\"yes\"",
            "src=\"data:image/png;base64,UE5H\" alt=\"&quot;Maps&quot;\"",
            "src=\"elsewhere.png\"",
            "<details><summary>more</summary><p>inside</p></details>",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        assert!(crate::is_written(&page) && !page.contains("http"), "{page}");
    }
}
