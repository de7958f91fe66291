//! The playground for a network of the folder.

use std::path::PathBuf;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Html,
};
use models::Trained;

use super::{Refusal, Root, files::find, off_thread};
use crate::{errors::in_one_line, playground::page};

/// Builds the page for one network, or for several whose names are joined by commas.
pub async fn playground(
    State(root): State<Root>,
    Path((suite, runs)): Path<(String, String)>,
) -> Result<Html<String>, Refusal> {
    off_thread(move || {
        let load = |run: &str| {
            let file = PathBuf::from(&suite).join("weights").join(format!("{run}.safetensors"));
            let trained = Trained::load(find(&root, &file)?);
            let words = |error: candle_core::Error| format!("{run} cannot be shown: {}", in_one_line(&error.into()));
            let refused = |error| Refusal(StatusCode::UNPROCESSABLE_ENTITY, words(error));
            Ok((run.to_string(), trained.map_err(refused)?))
        };
        // Heads may have commas in their names, but a run's file has none.
        let names: Vec<&str> = runs.split(',').collect();
        if names.len() > crate::playground::MOST_NETWORKS {
            let words = format!("at most {} networks fit side by side", crate::playground::MOST_NETWORKS);
            return Err(Refusal(StatusCode::BAD_REQUEST, words));
        }
        let networks = names.into_iter().map(load).collect::<Result<Vec<_>, Refusal>>()?;
        let refused = |error: anyhow::Error| Refusal(StatusCode::UNPROCESSABLE_ENTITY, in_one_line(&error));
        page(&networks, &root).map(Html).map_err(refused)
    })
    .await
}
