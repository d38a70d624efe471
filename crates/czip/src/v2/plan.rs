//! What the levels mean.

use czip_container::v2::Level;
use czip_mix::Variant;

/// What a level means. Variants and windows are part of the format (`docs/spec/mixing.md`): files of every level must
/// stay readable. The rest is the encoder's choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How tokens are mixed, with a net or without.
    pub(crate) tokens: Variant,
    /// How bytes are mixed.
    pub(crate) bytes: Variant,
    /// `None` where no segment may use the net.
    pub(crate) net: Option<NetPlan>,
    /// Whether the encoder tries every mode on all of the text.
    pub(crate) thorough: bool,
    /// The most bytes of text in a segment, if the caller has no wish.
    pub(crate) segment_len: usize,
}

/// The window of tokens that the net sees, if the model's context is no shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetPlan {
    window: usize,
    kept: usize,
}

/// Longer windows than this gain nothing beside adaptive mixing; one of half the length costs 0.3 % on short prose.
const WINDOW: NetPlan = net(512, 256);

const PLANS: [Plan; 9] = [
    plan(Variant::Light, Variant::LightBytes, None),
    plan(Variant::Standard, Variant::LightBytes, None),
    plan(Variant::Max, Variant::Bytes, None),
    plan(Variant::Light, Variant::LightBytes, Some(net(256, 128))),
    plan(Variant::Standard, Variant::Bytes, Some(WINDOW)),
    thorough(plan(Variant::Standard, Variant::Bytes, Some(WINDOW))),
    plan(Variant::Max, Variant::Bytes, Some(WINDOW)),
    thorough(plan(Variant::Max, Variant::Bytes, Some(WINDOW))),
    Plan {
        segment_len: 4 << 20,
        ..thorough(plan(Variant::Max, Variant::Bytes, Some(WINDOW)))
    },
];

const fn plan(tokens: Variant, bytes: Variant, net: Option<NetPlan>) -> Plan {
    Plan {
        tokens,
        bytes,
        net,
        thorough: false,
        segment_len: 1 << 20,
    }
}

const fn thorough(plan: Plan) -> Plan {
    Plan {
        thorough: true,
        ..plan
    }
}

const fn net(window: usize, kept: usize) -> NetPlan {
    NetPlan { window, kept }
}

impl Plan {
    pub(crate) fn of(level: Level) -> &'static Self {
        &PLANS[usize::from(level.get()) - 1]
    }
}

impl NetPlan {
    /// Positions of the window, and how many of the newest tokens stay when it moves, for a model with this context.
    pub(crate) fn window(self, context: usize) -> (usize, usize) {
        let length = self.window.min(context);
        // A window that has moved must have room for a token at least.
        let kept = self.kept.min(length / 2).min(length.saturating_sub(2));
        (length, kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_fit_every_context() {
        for level in 1..=9 {
            let Some(net) = Plan::of(Level::new(level).unwrap()).net else {
                assert!(level < 4, "level {level}");
                continue;
            };
            for context_log2 in 1..=15 {
                let context = 1 << context_log2;
                let (length, kept) = net.window(context);
                assert!(length <= context && kept + 1 < length, "{length}, {kept}");
            }
        }
        let default = Plan::of(Level::new(5).unwrap()).net.unwrap();
        assert_eq!(default.window(1024), (512, 256));
        assert_eq!(default.window(128), (128, 64));
        assert_eq!(default.window(2), (2, 0));
    }
}
