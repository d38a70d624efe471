//! The progress bar.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use czip::Options;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::ui::Ui;

/// A progress bar, or nothing where nobody would see it. It vanishes when dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shows a bar on standard error if that is a terminal, unless `hidden`.
    pub(crate) fn start(ui: &Ui, name: String, hidden: bool) -> Self {
        if hidden || !ui.shows_progress() {
            return Self(ProgressBar::hidden());
        }
        let template = "{prefix} [{bar:30}] {percent:>3}% of {human_len} {msg}, {speed}, {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.with_key("speed", |state: &ProgressState, line: &mut dyn fmt::Write| {
            // The bar has no way to report an error, and a line in memory makes none.
            let _ = write!(line, "{:.0}/s", state.per_sec());
        });
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self(
            bar.with_style(style.progress_chars("=> "))
                .with_prefix(name)
                .with_message("tokens"),
        )
    }

    /// Counts bytes in place of tokens: so many in all, if that is known.
    pub(crate) fn of_bytes(self, total: Option<u64>) -> Self {
        self.0.set_message("bytes");
        self.0.set_length(total.unwrap_or(0));
        self
    }

    /// Has the work done with these options move the bar, from its start.
    pub(crate) fn watch(&self, options: &Options) -> Options {
        self.0.reset();
        let bar = self.0.clone();
        let shown = AtomicU64::new(0);
        options.clone().on_progress(move |progress| {
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            // Reports come from several threads, and so in any order. The bar must not go back.
            let before = shown.fetch_max(progress.done, Ordering::Relaxed);
            bar.inc(progress.done.saturating_sub(before));
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
