//! Signals: Ctrl-C and what a batch system sends before it kills a program.

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// The exit code of a program that Ctrl-C ends.
pub const EXIT_CODE: u8 = 130;

/// The state that the handlers of signals read and set.
struct Flags {
    /// True once the user has asked the work to end.
    asked: Arc<AtomicBool>,
    /// True if the next signal ends the program at once.
    ends: Arc<AtomicBool>,
}

impl Flags {
    fn register() -> io::Result<Self> {
        let flags = Self { asked: Arc::default(), ends: Arc::new(AtomicBool::new(true)) };
        // The handlers of a signal are called in this order: the first signal only sets the flags.
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, EXIT_CODE.into(), flags.ends.clone())?;
            flag::register(signal, flags.asked.clone())?;
            flag::register(signal, flags.ends.clone())?;
        }
        Ok(flags)
    }
}

static FLAGS: OnceLock<io::Result<Flags>> = OnceLock::new();

/// The work was interrupted. The program exits with code 130; the message says what is kept and how to go on.
#[derive(Debug)]
pub struct Interrupted(pub String);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Interrupted {}

/// While it lives, the first Ctrl-C or `SIGTERM` only asks the work to end, and the second one ends the program.
pub struct Graceful(&'static Flags);

impl Graceful {
    /// Begins to handle signals.
    pub fn begin() -> io::Result<Self> {
        let flags = FLAGS.get_or_init(Flags::register).as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        flags.asked.store(false, Ordering::SeqCst);
        flags.ends.store(false, Ordering::SeqCst);
        Ok(Self(flags))
    }

    /// The flag that is true once the work is to end. It may be set to end the work for another reason.
    pub fn asked(&self) -> &'static AtomicBool {
        &self.0.asked
    }

    /// Returns whether the work is to end.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Graceful {
    /// Lets the next signal end the program at once.
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::SeqCst);
    }
}

/// Registers handlers, so that a signal ends the program with [`EXIT_CODE`], and that writing beyond a limit of the file size is
/// an error, as on a full disk, where it would kill the program otherwise.
pub fn handle_signals() {
    // If this fails, signals act as if there were no handlers.
    FLAGS.get_or_init(Flags::register).as_ref().ok();
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}
