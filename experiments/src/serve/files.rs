//! The files of the folder.

use std::path::{Component, Path, PathBuf};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use tower_http::services::ServeFile;

use super::{Refusal, Root, off_thread};

/// The kinds of files that results consist of; others that lie in the folder are nobody's business.
const EXTENSIONS: [&str; 11] =
    ["html", "md", "svg", "png", "csv", "json", "jsonl", "toml", "txt", "safetensors", "onnx"];

/// Answers with a file, or with the page of a folder.
pub async fn file(State(root): State<Root>, uri: Uri, request: Request<Body>) -> Result<Response, Refusal> {
    let path = decoded(uri.path())?;
    let found = off_thread(move || find(&root, &path)).await?;
    if found.is_dir() {
        // A link relative to the page needs the page's own address.
        let folder = uri.path().trim_end_matches('/');
        return match found.join(report::HTML_FILE).is_file() {
            true => Ok(Redirect::temporary(&format!("{folder}/{}", report::HTML_FILE)).into_response()),
            false => Err(Refusal::not_found("this folder has no page; `experiments report` writes it")),
        };
    }
    let answer = ServeFile::new(found).try_call(request).await;
    Ok(answer.map_err(|error| Refusal::not_found(error.to_string()))?.into_response())
}

/// The path of an address, whose characters may be written as `%2F`.
fn decoded(path: &str) -> Result<PathBuf, Refusal> {
    let text = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8();
    let refused = |_| Refusal(StatusCode::BAD_REQUEST, "the address is no UTF-8".into());
    text.map(|text| PathBuf::from(text.as_ref())).map_err(refused)
}

/// The file or folder at a path within the root. What lies outside, also by a symbolic link, what is hidden, and what is no
/// result does not exist.
pub fn find(root: &Path, path: &Path) -> Result<PathBuf, Refusal> {
    let missing = || Refusal::not_found(format!("there is no {} here", path.display()));
    let is_plain =
        |part: Component| matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.'));
    if !path.components().all(is_plain) {
        return Err(Refusal(
            StatusCode::BAD_REQUEST,
            "an address must not lead out of the folder or to hidden files".into(),
        ));
    }
    let found = root.join(path).canonicalize().map_err(|_| missing())?;
    let is_result =
        found.is_dir() || found.extension().is_some_and(|ending| EXTENSIONS.iter().any(|known| ending == *known));
    if found.starts_with(root) && is_result { Ok(found) } else { Err(missing()) }
}
