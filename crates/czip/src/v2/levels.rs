//! What the levels mean: a level in, the parameters of encoder and decoder out.

use czip_container::v2::Level;
use czip_mix::Variant;

use crate::model::Model;
use crate::options::Options;

/// What a level means. Variants and windows are part of the format (`docs/spec/mixing.md`): files of every level must
/// stay readable. The rest is the encoder's choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LevelParameters {
    /// How tokens are mixed, with a net or without.
    pub(crate) tokens: Variant,
    /// How bytes are mixed.
    pub(crate) bytes: Variant,
    /// `None` where no segment may use the net.
    pub(crate) net: Option<NetWindow>,
    /// Whether the encoder tries every mode without net on all of what is no text, instead of on a sample.
    pub(crate) thorough: bool,
    /// The most bytes of text in a segment, unless the caller chooses.
    pub(crate) segment_len: usize,
}

/// The window of tokens that the net sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NetWindow {
    /// Positions.
    pub(crate) len: usize,
    /// How many of the newest tokens stay when the window moves.
    pub(crate) kept: usize,
}

/// The longest window of any level. Longer ones gain nothing beside mixing; one of half the length costs 0.3 % on short prose.
pub(crate) const WINDOW: NetWindow = net(512, 256);

const MIB: usize = 1 << 20;

const LEVELS: [LevelParameters; 9] = [
    // What these have read of a text is all that they know of it, and they are fast enough for fewer threads.
    without_net(Variant::Light, Variant::LightBytes, 4 * MIB),
    without_net(Variant::Standard, Variant::LightBytes, 4 * MIB),
    without_net(Variant::Max, Variant::Bytes, 4 * MIB),
    // Beside a net, lesser mixing hardly saves time, and what repeats gets larger than without one.
    with_net(MIB),
    with_net(MIB),
    with_net(2 * MIB),
    with_net(4 * MIB),
    with_net(8 * MIB),
    LevelParameters {
        thorough: true,
        ..with_net(16 * MIB)
    },
];

const fn without_net(tokens: Variant, bytes: Variant, segment_len: usize) -> LevelParameters {
    LevelParameters {
        tokens,
        bytes,
        net: None,
        thorough: false,
        segment_len,
    }
}

const fn with_net(segment_len: usize) -> LevelParameters {
    LevelParameters {
        net: Some(WINDOW),
        ..without_net(Variant::Max, Variant::Bytes, segment_len)
    }
}

const fn net(len: usize, kept: usize) -> NetWindow {
    NetWindow { len, kept }
}

impl LevelParameters {
    pub(crate) fn of(level: Level) -> &'static Self {
        &LEVELS[usize::from(level.get()) - 1]
    }
}

impl NetWindow {
    /// The window with a model of this context.
    pub(crate) fn within(self, context: usize) -> Self {
        let len = self.len.min(context);
        // A window that has moved must have room for at least one token.
        let kept = self.kept.min(len / 2).min(len.saturating_sub(2));
        Self { len, kept }
    }
}

/// The most bytes of text in a segment with a net so large that a pass takes milliseconds. Decoding one segment takes a
/// pass for each token, decoding some side by side hardly more, so a text of this many bytes and more has some.
const OF_LARGE_NETS: usize = 64 << 10;

/// Multiply-adds for each token from which on a net is large: `standard` has two million.
const LARGE_NET: usize = 30_000_000;

/// The most bytes of text in a segment.
pub(crate) fn segment_len(model: Option<&Model>, options: &Options) -> usize {
    let LevelParameters { net, segment_len, .. } = *LevelParameters::of(options.level);
    let is_large = |model: &Model| model.config().multiply_adds >= LARGE_NET;
    let by_default = if net.is_some() && model.is_some_and(is_large) {
        OF_LARGE_NETS
    } else {
        segment_len
    };
    options.segment_len.unwrap_or(by_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_fit_every_context() {
        for level in 1..=9 {
            let Some(net) = LevelParameters::of(Level::new(level).unwrap()).net else {
                assert!(level < 4, "level {level}");
                continue;
            };
            for context_log2 in 1..=15 {
                let context = 1 << context_log2;
                let NetWindow { len, kept } = net.within(context);
                assert!(len <= context && kept + 1 < len, "{len}, {kept}");
            }
        }
        let default = LevelParameters::of(Level::new(5).unwrap()).net.unwrap();
        assert_eq!(default.within(1024), net(512, 256));
        assert_eq!(default.within(128), net(128, 64));
        assert_eq!(default.within(2), net(2, 0));
    }
}
