//! Tables of what a network takes for what.

use records::Confusion;
use statistics::wilson;

use crate::{
    document::{Cell, Column, Table},
    number::{NONE, count, fixed},
};

/// The most classes that a matrix shows; of more, only the most frequent mistakes are listed.
pub const MOST_IN_MATRIX: usize = 12;
/// The number of mistakes in the list that stands for a larger matrix.
const LISTED: usize = 20;
/// The longest name of a class that titles a column of a matrix; longer ones are numbered.
const LONGEST_TITLE: usize = 4;
/// The longest name of a class that is not cut.
const LONGEST_NAME: usize = 16;

/// Builds a table of the classes: their images, their accuracy (recall) with its 95 % interval, their precision, and what
/// they are most often taken for. `confusion` is added over networks that classified the same images, of which there are
/// `networks`; the interval counts each image once.
///
/// ```
/// use records::Confusion;
/// use report::{class_table, terminal};
///
/// let classes = ["cat", "dog"].map(String::from);
/// let confusion = Confusion::new(&classes, [(0, Some(0)), (0, Some(1)), (1, Some(1))]).unwrap();
/// assert!(terminal(&class_table(&confusion, 1).into(), 80).contains("cat          2   50.00 %    9.45 to 90.55"));
/// ```
pub fn class_table(confusion: &Confusion, networks: u64) -> Table {
    let mut table = Table::new([
        Column::key("class"),
        Column::number("samples"),
        Column::number("accuracy"),
        Column::number("95 % interval"),
        Column::number("precision"),
        Column::text("most often taken for"),
    ]);
    let mistakes = confusion.mistakes();
    for (class, name) in confusion.classes.iter().enumerate() {
        let images = confusion.images(class) / networks.max(1);
        let recall = confusion.recall(class);
        let interval = recall.and_then(|share| wilson(share, images)).map(|ends| ends.map(|end| fixed(100. * end, 2)));
        let taken = mistakes.iter().find(|(truth, ..)| *truth == class);
        let taken = taken.map(|(_, predicted, times)| format!("{} ({})", short(confusion, *predicted), count(*times)));
        let number = |share: Option<f64>| share.map_or(NONE.into(), |share| Cell::number(per_cent(share), share));
        table.push([
            printable(name).into(),
            Cell::number(count(images), images as f64),
            number(recall),
            interval.map_or(NONE.into(), |[low, high]| format!("{low} to {high}")).into(),
            number(confusion.precision(class)),
            taken.unwrap_or_default().into(),
        ]);
    }
    table
}

/// Builds the matrix of a confusion: a row per true class and a column per predicted class. With more than 12 classes, it is
/// a list of the 20 most frequent mistakes.
///
/// ```
/// use records::Confusion;
/// use report::{confusion_table, terminal};
///
/// let classes = ["cat", "dog"].map(String::from);
/// let confusion = Confusion::new(&classes, [(0, Some(0)), (0, Some(1)), (1, Some(1))]).unwrap();
/// assert!(terminal(&confusion_table(&confusion).into(), 80).contains("cat           1    1"));
/// ```
pub fn confusion_table(confusion: &Confusion) -> Table {
    if confusion.classes.len() > MOST_IN_MATRIX {
        return list(confusion);
    }
    let names: Vec<String> = (0..confusion.classes.len()).map(|class| short(confusion, class)).collect();
    let is_numbered = names.iter().any(|name| name.chars().count() > LONGEST_TITLE);
    let title = |(class, name): (usize, &String)| if is_numbered { class.to_string() } else { name.clone() };
    let mut titles: Vec<String> = names.iter().enumerate().map(title).collect();
    if confusion.counts.iter().any(|row| row.len() > names.len()) {
        titles.push("none".into());
    }
    let key = Column::key("true class");
    let mut table = Table::new([key].into_iter().chain(titles.into_iter().map(Column::number)));
    table.is_shaded = true;
    for (class, row) in confusion.counts.iter().enumerate() {
        let name = if is_numbered { format!("{class} {}", names[class]) } else { names[class].clone() };
        let counts = row.iter().enumerate().map(|(predicted, &times)| match (times, predicted == class) {
            (0, false) => "·".into(),
            _ => Cell::number(count(times), times as f64),
        });
        table.push([Cell::from(name)].into_iter().chain(counts));
    }
    table
}

/// The most frequent mistakes of many classes.
fn list(confusion: &Confusion) -> Table {
    let titles = [Column::key("true class"), Column::key("taken for")];
    let mut table = Table::new(titles.into_iter().chain(["times", "share of the class"].map(Column::number)));
    for (class, predicted, times) in confusion.mistakes().into_iter().take(LISTED) {
        let share = times as f64 / confusion.images(class) as f64;
        let [class, predicted] = [class, predicted].map(|class| short(confusion, class).into());
        table.push([class, predicted, Cell::number(count(times), times as f64), Cell::number(per_cent(share), share)]);
    }
    table
}

pub fn per_cent(share: f64) -> String {
    fixed(100. * share, 2) + " %"
}

/// The name of a class, cut if it is long.
pub fn short(confusion: &Confusion, class: usize) -> String {
    let name = printable(&confusion.classes[class]);
    if name.chars().count() <= LONGEST_NAME {
        return name;
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// The name of a folder may contain anything; in a table, a line break would end the row.
fn printable(name: &str) -> String {
    name.replace(char::is_control, "�")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{markdown, terminal};

    const FASHION: [&str; 10] =
        ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

    fn confusion(names: &[&str], images: u32) -> Confusion {
        let classes: Vec<String> = names.iter().map(ToString::to_string).collect();
        let size = classes.len() as u32;
        let pair = |image: u32| (image % size, Some(if image % 7 < 5 { image % size } else { image / 3 % size }));
        Confusion::new(&classes, (0..images).map(pair)).unwrap()
    }

    #[test]
    fn the_tables_of_ten_classes_fit_eighty_columns() {
        let confusion = confusion(&FASHION, 10_000);
        let text = [class_table(&confusion, 1), confusion_table(&confusion)].map(|table| terminal(&table.into(), 80));
        assert!(text.iter().flat_map(|text| text.lines()).all(|line| line.chars().count() <= 80), "{text:?}");
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn of_many_classes_the_most_frequent_mistakes_are_listed() {
        let names: Vec<String> = (0..30).map(|class| format!("a class with a long name, {class}")).collect();
        let confusion = confusion(&names.iter().map(String::as_str).collect::<Vec<_>>(), 3000);
        let table = confusion_table(&confusion);
        assert_eq!(table.rows.len(), LISTED);
        let times: Vec<f64> = table.rows.iter().filter_map(|row| row[2].value).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
        assert!(terminal(&table.into(), 80).lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn a_class_without_images_has_no_accuracy_and_a_line_break_in_a_name_ends_no_row() {
        let classes = ["a\nb", "c"].map(String::from);
        let confusion = Confusion::new(&classes, [(1, Some(0)), (1, None)]).unwrap();
        let page = markdown(&class_table(&confusion, 1).into());
        assert!(page.contains("\n| a�b | 0 | – | – | 0.00 % |  |\n"), "{page}");
        let page = markdown(&confusion_table(&confusion).into());
        assert!(page.contains("| c | 1 | 0 | 1 |") && page.contains("| none |"), "{page}");
    }

    #[test]
    fn the_interval_of_several_networks_counts_each_image_once() {
        let one = confusion(&["a", "b"], 100);
        let three = Confusion::sum([&one, &one, &one]).unwrap();
        let cells = |table: Table| table.rows[0][1..4].to_vec();
        assert_eq!(cells(class_table(&one, 1)), cells(class_table(&three, 3)));
    }
}
