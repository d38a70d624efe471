//! The progress bar.

#![allow(
    clippy::float_arithmetic,
    reason = "figures are for people; no coded bit depends on them"
)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use czip::{Options, Unit};
use czip_train::session;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::printable::printable;
use crate::report;
use crate::ui::Ui;

/// A progress bar, or nothing where it would not be seen. It vanishes when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// The most that has been reported as done.
    shown: Arc<AtomicU64>,
}

impl Progress {
    /// Shows a bar on standard error if that is a terminal, unless `hidden`.
    pub(crate) fn start(ui: &Ui, name: String, hidden: bool) -> Self {
        if hidden || !ui.shows_progress() {
            return Self::from(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let bar = bar.with_style(style("{prefix} {human_pos} {msg}, {speed}"));
        Self::from(bar.with_prefix(printable(&name)).with_message("tokens"))
    }

    /// Counts these instead of tokens.
    #[cfg(feature = "import")]
    pub(crate) fn of(self, what: &'static str) -> Self {
        self.bar.set_message(what);
        self
    }

    /// Counts bytes instead of tokens: this many in all, if that is known.
    pub(crate) fn of_bytes(self, total: Option<u64>) -> Self {
        self.bar.set_message("bytes");
        if let Some(total) = total {
            set_total(&self.bar, total);
        }
        self
    }

    /// Shows how much is done, of how much in all if that is known.
    pub(crate) fn show(&self, done: u64, total: Option<u64>) {
        advance(&self.bar, &self.shown, done, total);
    }

    /// Has the work done with these options move the bar, from its start.
    pub(crate) fn watch(&self, options: &Options) -> Options {
        self.bar.reset();
        self.shown.store(0, Ordering::Relaxed);
        let (bar, shown) = (self.bar.clone(), Arc::clone(&self.shown));
        let counts_tokens = AtomicBool::new(false);
        options.clone().on_progress(move |progress| {
            // Which of the formats a file has is known only now.
            if progress.unit == Unit::Tokens && !counts_tokens.swap(true, Ordering::Relaxed) {
                bar.set_message("tokens");
            }
            advance(&bar, &shown, progress.done, progress.total);
        })
    }
}

impl From<ProgressBar> for Progress {
    fn from(bar: ProgressBar) -> Self {
        Self {
            bar,
            shown: Arc::default(),
        }
    }
}

/// From here on it is known how much is to be done, so there is a bar.
fn set_total(bar: &ProgressBar, total: u64) {
    if bar.length().is_none() {
        bar.set_style(style(
            "{prefix} [{bar:30}] {percent:>3}% of {human_len} {msg}, {speed}{left}",
        ));
    }
    bar.set_length(total);
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.with_key("speed", |state: &ProgressState, line: &mut dyn fmt::Write| {
        // The bar has no way to report an error, and a line in memory makes none.
        let _ = write!(line, "{:.0}/s", state.per_sec());
    });
    let style = style.with_key("left", |state: &ProgressState, line: &mut dyn fmt::Write| {
        // Nothing is known of it before something is done.
        if state.pos() > 0 {
            let _ = write!(line, ", {:#} left", HumanDuration(state.eta()));
        }
    });
    style.progress_chars("=> ")
}

/// Moves a bar on. Reports come from several threads, and so in any order: it must not go back.
fn advance(bar: &ProgressBar, shown: &AtomicU64, done: u64, total: Option<u64>) {
    if let Some(total) = total {
        set_total(bar, total);
    }
    let before = shown.fetch_max(done, Ordering::Relaxed);
    bar.inc(done.saturating_sub(before));
}

/// How training goes: on a terminal, one line that is updated; elsewhere a line for each point of the curve.
#[derive(Debug)]
pub(crate) struct Training<'u> {
    bar: Option<ProgressBar>,
    ui: &'u Ui,
    shown: Option<u64>,
}

impl<'u> Training<'u> {
    pub(crate) fn start(ui: &'u Ui) -> Self {
        let bar = ui.shows_progress().then(|| {
            let style = ProgressStyle::with_template("[{bar:30}] {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
            bar.with_style(style.progress_chars("=> "))
        });
        Self { bar, ui, shown: None }
    }

    pub(crate) fn show(&mut self, now: &session::Progress) {
        let cost = match now.last {
            Some(point) => format!("{:.3} bits/byte held out", point.heldout),
            None => String::from("nothing measured yet"),
        };
        let left = if now.done > 0.0 {
            now.seconds / now.done - now.seconds
        } else {
            0.0
        };
        let line = format!(
            "{cost}, {}, {:.0} tokens/s, {} left",
            report::tokens(now.tokens),
            now.speed,
            HumanDuration(Duration::from_secs(left as u64))
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position((now.done * 1000.0) as u64);
                bar.set_message(line);
            }
            None => {
                let point = now.last.map(|point| point.tokens);
                if point != self.shown {
                    self.shown = point;
                    self.ui.note(line);
                }
            }
        }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
