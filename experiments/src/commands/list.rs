use anyhow::Result;
use datasets::DatasetId;
use heads::HeadConfig;
use serde_json::{Value, json};

use crate::{
    cli::Kind,
    output::{print, print_json},
    suite,
};

/// What there is of one kind, or of all; as JSON a list, or an object of lists.
pub fn list(kind: Option<Kind>, json: bool) -> Result<()> {
    let kinds =
        [(Kind::Models, "models"), (Kind::Heads, "heads"), (Kind::Datasets, "datasets"), (Kind::Suites, "suites")];
    let mut lists = Vec::new();
    for (_, name) in kinds.iter().filter(|(each, _)| kind.is_none_or(|kind| kind == *each)) {
        lists.push((*name, entries(name)?));
    }
    if !json {
        return print(&lists.iter().map(|(name, entries)| as_text(name, entries)).collect::<Vec<_>>().join("\n"));
    }
    let objects = |entries: &[(String, String)]| -> Value {
        entries.iter().map(|(name, description)| json!({"name": name, "description": description})).collect()
    };
    match (kind, lists.as_slice()) {
        (Some(_), [(_, entries)]) => print_json(&objects(entries)),
        (_, lists) => print_json(
            &lists
                .iter()
                .map(|(name, entries)| (name.to_string(), objects(entries)))
                .collect::<serde_json::Map<_, _>>(),
        ),
    }
}

/// Names and descriptions.
fn entries(kind: &str) -> Result<Vec<(String, String)>> {
    let owned = |name: &dyn ToString, description: &str| (name.to_string(), description.to_string());
    Ok(match kind {
        "models" => models::list().iter().map(|model| owned(&model.name, model.description)).collect(),
        "heads" => HeadConfig::examples().iter().map(|(head, description)| owned(head, description)).collect(),
        "datasets" => DatasetId::builtin().iter().map(|(name, description)| owned(name, description)).collect(),
        _ => suite::embedded()?.iter().map(|suite| owned(&suite.name, &suite.question)).collect(),
    })
}

fn as_text(kind: &str, entries: &[(String, String)]) -> String {
    let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = entries.iter().map(|(name, description)| format!("  {name:width$}  {description}\n"));
    format!("{kind}\n{}", lines.collect::<String>())
}
