//! A headless Chromium that opens one page, for tests that use the pages of the experiments as a person does.
//!
//! A page is opened from disk, and [`Page::close`] fails if it wrote an error to the console, or asked for anything but
//! itself.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use headless_chrome::{
    Browser, LaunchOptionsBuilder, Tab,
    browser::tab::point::Point,
    protocol::cdp::{Emulation, Input, Network, Page::CaptureScreenshotFormatOption, Runtime, types::Event},
};
use serde_json::Value;

/// The names that the browser has on different systems.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// An open page.
pub struct Page {
    /// The tab, for what the other methods do not do.
    pub tab: Arc<Tab>,
    _browser: Browser,
    /// A note on each thing that the page did and must not do: an error in the console, or a request for anything but itself.
    faults: Arc<Mutex<Vec<String>>>,
}

impl Page {
    /// Opens a file in a window of this width in pixels; `None`, with a word on standard output, where there is no Chromium.
    ///
    /// # Errors
    /// A browser that does not start, or a file that it cannot open.
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so where it reports")]
    pub fn open(file: &Path, width: u32, dark: bool) -> Result<Option<Self>> {
        let Some(program) = chromium() else {
            println!("skipped: no Chromium is installed");
            return Ok(None);
        };
        let options = LaunchOptionsBuilder::default()
            .path(Some(program))
            // Root has no sandbox, and only pages of this project are opened.
            .sandbox(false)
            .window_size(Some((width, 1000)))
            .idle_browser_timeout(Duration::from_secs(300))
            .args(vec![OsStr::new("--hide-scrollbars")])
            .build()?;
        let browser = Browser::new(options)?;
        let tab = browser.new_tab()?;
        tab.set_default_timeout(Duration::from_secs(60));
        let scheme = if dark { "dark" } else { "light" };
        tab.call_method(Emulation::SetEmulatedMedia {
            media: None,
            features: Some(vec![Emulation::MediaFeature { name: "prefers-color-scheme".into(), value: scheme.into() }]),
        })?;
        tab.call_method(Emulation::SetDeviceMetricsOverride {
            width,
            height: 1000,
            device_scale_factor: 1.0,
            mobile: width < 600,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        })?;
        let address = format!("file://{}", file.canonicalize().with_context(|| file.display().to_string())?.display());
        let faults = Arc::new(Mutex::new(Vec::new()));
        watch(&tab, &address, &faults)?;
        tab.navigate_to(&address)?.wait_until_navigated()?;
        Ok(Some(Self { tab, _browser: browser, faults }))
    }

    /// Evaluates an expression in the page and returns its value.
    ///
    /// # Errors
    /// An exception in the page.
    pub fn evaluate(&self, expression: &str) -> Result<Value> {
        let answer = self.tab.call_method(Runtime::Evaluate {
            expression: expression.into(),
            return_by_value: Some(true),
            await_promise: Some(true),
            object_group: None,
            include_command_line_api: None,
            silent: None,
            context_id: None,
            generate_preview: None,
            user_gesture: None,
            throw_on_side_effect: None,
            timeout: None,
            disable_breaks: None,
            repl_mode: None,
            allow_unsafe_eval_blocked_by_csp: None,
            unique_context_id: None,
            serialization_options: None,
        })?;
        if let Some(exception) = answer.exception_details {
            bail!("{expression}: {:?}", exception.exception.and_then(|exception| exception.description))
        }
        Ok(answer.result.value.unwrap_or(Value::Null))
    }

    /// Saves a picture of the whole page in the folder that the environment variable `SCREENSHOTS` names, if it does.
    ///
    /// # Errors
    /// A picture that cannot be taken or written.
    pub fn picture(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("SCREENSHOTS") else { return Ok(()) };
        std::fs::create_dir_all(&folder)?;
        let png = self.tab.capture_screenshot(CaptureScreenshotFormatOption::Png, None, None, true)?;
        Ok(std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), png)?)
    }

    /// Ends the session.
    ///
    /// # Errors
    /// What the page did and must not do.
    pub fn close(self) -> Result<()> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(faults.is_empty(), "the page {}", faults.join("; "));
        Ok(())
    }
}

/// Notes what the page at this address must not do.
fn watch(tab: &Arc<Tab>, address: &str, faults: &Arc<Mutex<Vec<String>>>) -> Result<()> {
    tab.call_method(Network::Enable {
        max_total_buffer_size: None,
        max_resource_buffer_size: None,
        max_post_data_size: None,
        report_direct_socket_traffic: None,
        enable_durable_messages: None,
    })?;
    tab.enable_runtime()?;
    tab.enable_log()?;
    let (faults, address) = (faults.clone(), address.to_string());
    tab.add_event_listener(Arc::new(move |event: &Event| {
        let fault = match event {
            Event::NetworkRequestWillBeSent(event) => {
                let url = &event.params.request.url;
                let is_itself = url.split('#').next() == Some(&address);
                (!is_itself && !url.starts_with("data:") && !url.starts_with("blob:"))
                    .then(|| format!("asks for {url}"))
            }
            Event::RuntimeExceptionThrown(event) => Some(format!("throws {:?}", event.params.exception_details)),
            Event::RuntimeConsoleAPICalled(event)
                if event.params.Type == Runtime::ConsoleAPICalledEventTypeOption::Error =>
            {
                Some(format!("writes an error: {:?}", event.params.args))
            }
            Event::LogEntryAdded(event) => {
                let entry = &event.params.entry;
                (format!("{:?}", entry.level) == "Error").then(|| format!("logs {}", entry.text))
            }
            _ => None,
        };
        if let Some(fault) = fault {
            faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        }
    }))?;
    Ok(())
}

/// The browser's program.
fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let programs = std::env::split_paths(&folders).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    programs.into_iter().find(|program| program.is_file())
}

/// Presses the mouse button at the first of these points, moves over the others, and releases it at the last.
///
/// # Errors
/// A browser that no longer answers.
pub fn drag(tab: &Tab, points: &[Point]) -> Result<()> {
    let send = |kind: Input::DispatchMouseEventTypeOption, point: &Point| {
        tab.call_method(Input::DispatchMouseEvent {
            Type: kind,
            x: point.x,
            y: point.y,
            button: Some(Input::MouseButton::Left),
            buttons: Some(1),
            click_count: Some(1),
            modifiers: None,
            timestamp: None,
            force: None,
            tangential_pressure: None,
            tilt_x: None,
            tilt_y: None,
            twist: None,
            delta_x: None,
            delta_y: None,
            pointer_Type: None,
        })
        .map(drop)
    };
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
    send(Input::DispatchMouseEventTypeOption::MousePressed, first)?;
    points.iter().try_for_each(|point| send(Input::DispatchMouseEventTypeOption::MouseMoved, point))?;
    send(Input::DispatchMouseEventTypeOption::MouseReleased, last)
}
