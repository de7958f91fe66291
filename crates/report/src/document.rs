//! What a page says, without how it is written: headings, paragraphs, tables, figures and the like.

/// A page, built once and written by every exporter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The heading of the whole page; empty if the page has none, as an overview in a terminal.
    pub title: String,
    /// The content, from top to bottom.
    pub blocks: Vec<Block>,
}

/// One piece of a page.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// The title of a section.
    Heading {
        /// 1 for a section of the page, 2 for a section within it.
        level: u8,
        /// The title itself.
        text: String,
    },
    /// Running text.
    Paragraph(Text),
    /// Unordered items.
    List(Vec<Text>),
    /// Rows under titled columns.
    Table(Table),
    /// A drawing, kept as SVG.
    Figure(Figure),
    /// A raster image, kept as a file.
    Image(Image),
    /// Text to be copied literally, such as a command.
    Code {
        /// The language, as a fenced code block of Markdown names it: `sh`.
        language: &'static str,
        /// The lines, separated by line breaks.
        text: String,
    },
    /// Something that is shown on demand. Formats that cannot hide it leave it out.
    Details {
        /// A few words that say what can be shown.
        summary: String,
        /// The content.
        blocks: Vec<Block>,
    },
}

/// A text made of differently marked parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<Span>);

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Span {
    /// Text without a mark.
    Plain(String),
    /// An emphasised part, such as a verdict.
    Strong(String),
    /// A name from a program or a command.
    Code(String),
    /// A reference to another page or file.
    Link {
        /// The words that are shown.
        text: String,
        /// The address, relative to this page.
        target: String,
    },
}

/// Rows under titled columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The caption, which says what the rows have in common; empty where the heading above says it.
    pub caption: String,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows, each with one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// True if the numbers of a row are parts of a whole, by which formats that have colours shade them.
    pub is_shaded: bool,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The title, with the unit in brackets: `latency (µs)`.
    pub title: String,
    /// The kind of content in its cells.
    pub kind: ColumnKind,
}

/// The kind of content in the cells of a column, from which their alignment follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// Names that tell the rows apart, aligned left. A table that is split repeats these columns.
    Key,
    /// Words, aligned left.
    Text,
    /// Numbers, aligned right.
    Number,
    /// The outcome of a test, aligned left and emphasised.
    Verdict,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The text that is shown.
    pub text: Text,
    /// The number that the text shows, by which rows can be sorted.
    pub value: Option<f64>,
}

/// A drawing with the text that stands for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The name of its file, relative to the page: `accuracy-vs-parameters.svg`.
    pub file: String,
    /// The drawing, a complete SVG document.
    pub svg: String,
    /// A description for readers who cannot see the drawing.
    pub alternative: String,
}

/// A raster image with the text that stands for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The name of its file, relative to the page.
    pub file: String,
    /// A description for readers who cannot see the image.
    pub alternative: String,
    /// The caption below the image.
    pub caption: String,
}

impl Document {
    /// Starts a page with this title.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), blocks: Vec::new() }
    }

    /// Appends a section's title; see [`Block::Heading`] for the level.
    pub fn heading(&mut self, level: u8, text: impl Into<String>) {
        self.blocks.push(Block::Heading { level, text: text.into() });
    }

    /// Appends a paragraph.
    pub fn paragraph(&mut self, text: impl Into<Text>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    /// Appends a list, unless it is empty.
    pub fn list<T: Into<Text>>(&mut self, items: impl IntoIterator<Item = T>) {
        let items: Vec<Text> = items.into_iter().map(Into::into).collect();
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    /// Appends a table.
    pub fn table(&mut self, table: Table) {
        self.blocks.push(Block::Table(table));
    }
}

impl From<Table> for Document {
    /// Creates a page without a title that consists of a table.
    fn from(table: Table) -> Self {
        Self { title: String::new(), blocks: vec![Block::Table(table)] }
    }
}

impl Table {
    /// Creates a table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), ..Self::default() }
    }

    /// Appends a row, which has one cell per column.
    pub fn push<C: Into<Cell>>(&mut self, row: impl IntoIterator<Item = C>) {
        let row: Vec<Cell> = row.into_iter().map(Into::into).collect();
        debug_assert_eq!(row.len(), self.columns.len(), "a cell per column");
        self.rows.push(row);
    }
}

impl Column {
    /// Creates a column of names that tell the rows apart.
    pub fn key(title: impl Into<String>) -> Self {
        Self { title: title.into(), kind: ColumnKind::Key }
    }

    /// Creates a column of words.
    pub fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), kind: ColumnKind::Text }
    }

    /// Creates a column of numbers.
    pub fn number(title: impl Into<String>) -> Self {
        Self { title: title.into(), kind: ColumnKind::Number }
    }

    /// Creates a column of outcomes of tests.
    pub fn verdict(title: impl Into<String>) -> Self {
        Self { title: title.into(), kind: ColumnKind::Verdict }
    }
}

impl Text {
    /// Creates an emphasised text.
    pub fn strong(text: impl Into<String>) -> Self {
        Self(vec![Span::Strong(text.into())])
    }

    /// Creates a text that leads to another page.
    pub fn link(text: impl Into<String>, target: impl Into<String>) -> Self {
        Self(vec![Span::Link { text: text.into(), target: target.into() }])
    }

    /// Returns the words alone, without any mark.
    pub fn plain(&self) -> String {
        let words = |span: &Span| match span {
            Span::Plain(text) | Span::Strong(text) | Span::Code(text) | Span::Link { text, .. } => text.clone(),
        };
        self.0.iter().map(words).collect()
    }
}

impl<T: Into<String>> From<T> for Text {
    /// Parts between backticks become [`Span::Code`]; all else is plain.
    fn from(text: T) -> Self {
        let text: String = text.into();
        if text.matches('`').count() % 2 == 1 {
            return Self(vec![Span::Plain(text)]);
        }
        let part = |(i, part): (usize, &str)| {
            let span = if i % 2 == 1 { Span::Code } else { Span::Plain };
            (!part.is_empty()).then(|| span(part.into()))
        };
        Self(text.split('`').enumerate().filter_map(part).collect())
    }
}

impl<T: Into<Text>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), value: None }
    }
}

impl Cell {
    /// Creates a cell that shows a number in these words.
    pub fn number(text: impl Into<Text>, value: f64) -> Self {
        Self { text: text.into(), value: Some(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_between_backticks_are_code_and_a_lone_backtick_is_itself() {
        let code = Text::from("run `bench` twice");
        assert_eq!(code.0[1], Span::Code("bench".into()));
        assert_eq!(code.plain(), "run bench twice");
        assert_eq!(Text::from("a ` b").plain(), "a ` b");
    }
}
