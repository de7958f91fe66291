//! The start page, and the news of running sweeps.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{
        Html,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream::unfold};
use tokio::sync::Semaphore;

use super::{
    MOST_REQUESTS, Refusal, Root, off_thread,
    progress::{SuiteProgress, progress},
};

const PAGE: &str = include_str!("live.html");
/// The time between two looks at the folder.
const PAUSE: Duration = Duration::from_secs(1);
/// A permit for each page that follows a sweep.
static WATCHERS: Semaphore = Semaphore::const_new(MOST_REQUESTS);

/// The page that lists the suites and follows their progress.
pub async fn start() -> Html<&'static str> {
    Html(PAGE)
}

/// The progress of all suites, now.
pub async fn progress_json(State(root): State<Root>) -> Result<Json<Vec<SuiteProgress>>, Refusal> {
    off_thread(move || Ok(Json(progress(&root)))).await
}

/// The progress of all suites whenever it changes, as server-sent events.
pub async fn events(State(root): State<Root>) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let permit = WATCHERS.try_acquire().map_err(|_| {
        let words = format!("{MOST_REQUESTS} pages follow the sweep already; close one of them");
        Refusal(StatusCode::SERVICE_UNAVAILABLE, words)
    })?;
    let changes = unfold(None, move |before: Option<Vec<SuiteProgress>>| {
        // It is given back when the page is closed.
        let _held = &permit;
        let root = root.clone();
        async move {
            loop {
                let look = root.clone();
                let now = off_thread(move || Ok(progress(&look))).await.unwrap_or_default();
                if before.as_deref().is_none_or(|before| differ(before, &now)) {
                    let event = Event::default().json_data(&now).unwrap_or_default();
                    return Some((Ok(event), Some(now)));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()))
}

/// Returns whether anything but the time has changed, or a file has been written since.
fn differ(before: &[SuiteProgress], now: &[SuiteProgress]) -> bool {
    let timeless = |suite: &SuiteProgress| SuiteProgress { seconds_since: None, ..suite.clone() };
    let was_written = |(before, now): (&SuiteProgress, &SuiteProgress)| now.seconds_since < before.seconds_since;
    !before.iter().map(timeless).eq(now.iter().map(timeless)) || before.iter().zip(now).any(was_written)
}
