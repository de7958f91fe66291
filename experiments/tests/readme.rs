//! The README of the repository shows the tables of the committed results.

#[test]
fn the_readme_shows_the_tables_of_the_suite_heads() {
    let page = include_str!("../../results/heads/README.md");
    let tables = page.split("\n## ").filter(|section| section.contains("\n| head | parameters |"));
    let readme = include_str!("../../README.md");
    let rows: Vec<&str> = tables.flat_map(str::lines).filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 16);
    for row in rows {
        assert!(readme.contains(row), "README.md lacks: {row}");
    }
}
