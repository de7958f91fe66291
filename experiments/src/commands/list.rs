use std::str::FromStr;

use anyhow::Result;
use datasets::DatasetId;
use heads::HeadConfig;
use serde_json::{Map, Value, json};

use crate::{
    output::{print, print_json},
    suite, zoo,
};

/// The kinds of things that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    Models,
    Heads,
    Datasets,
    Suites,
    Weights,
}

impl ItemKind {
    const ALL: [Self; 5] = [Self::Models, Self::Heads, Self::Datasets, Self::Suites, Self::Weights];

    fn name(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Heads => "heads",
            Self::Datasets => "datasets",
            Self::Suites => "suites",
            Self::Weights => "weights",
        }
    }

    /// Names everything of this kind, with a description of one line each.
    fn items(self) -> Result<Vec<(String, String)>> {
        let owned = |name: &dyn ToString, description: &str| (name.to_string(), description.to_string());
        Ok(match self {
            Self::Models => {
                let images = models::list().into_iter().map(|model| owned(&model.name, model.description));
                let pairs = models::DEEP_CONV_DTI.iter().map(|preset| owned(&preset.name, preset.description));
                images.chain(pairs).collect()
            }
            Self::Heads => HeadConfig::examples().iter().map(|(head, description)| owned(head, description)).collect(),
            Self::Datasets => DatasetId::builtin().iter().map(|(name, description)| owned(name, description)).collect(),
            Self::Weights => zoo::list()?,
            Self::Suites => suite::all()?.iter().map(|suite| owned(&suite.name(), suite.question())).collect(),
        })
    }
}

impl FromStr for ItemKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("available: {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Prints everything of one kind, as JSON an array, or of all kinds, as JSON an object of arrays.
pub fn list(kind: Option<ItemKind>, json: bool) -> Result<()> {
    let kinds = kind.map_or(ItemKind::ALL.to_vec(), |kind| vec![kind]);
    if !json {
        let texts = kinds.into_iter().map(|kind| Ok(as_text(kind, &kind.items()?))).collect::<Result<Vec<_>>>()?;
        return print(&texts.join("\n"));
    }
    match kind {
        Some(kind) => print_json(&as_json(&kind.items()?)),
        None => {
            let lists = kinds.into_iter().map(|kind| Ok((kind.name().to_string(), as_json(&kind.items()?))));
            print_json(&lists.collect::<Result<Map<_, _>>>()?)
        }
    }
}

fn as_json(items: &[(String, String)]) -> Value {
    items.iter().map(|(name, description)| json!({"name": name, "description": description})).collect()
}

fn as_text(kind: ItemKind, items: &[(String, String)]) -> String {
    let width = items.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = items.iter().map(|(name, description)| format!("  {name:width$}  {description}\n"));
    let lines = if items.is_empty() { "  none\n".into() } else { lines.collect::<String>() };
    format!("{}\n{lines}", kind.name())
}
