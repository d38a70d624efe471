//! Whether this machine has AMX, whose registers are tiles of 16 rows by 64 bytes, and the system lets us use it.

/// What the elements of tiles are when they are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TileElement {
    /// Floats of 16 bits, summed up as those of 32 bits (AMX-BF16).
    Bfloat16,
    /// Bytes, signed or not, summed up in 32 bits (AMX-INT8).
    Int8,
}

/// Whether the processor multiplies tiles of such elements, and the system keeps tiles for this process. Only Linux is asked
/// for that.
///
/// Linux keeps tiles only for processes that have asked for it, which the first call does. Threads need not ask again.
#[must_use]
pub fn has_tiles(element: TileElement) -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
    let there = linux::has_tiles(element);
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
    let there = {
        let _ = element;
        false
    };
    there
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod linux {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::sync::OnceLock;

    use super::TileElement;

    /// The bits in which processors say what they can multiply.
    const BFLOAT16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    const INT8: u32 = 1 << 25;

    pub(super) fn has_tiles(element: TileElement) -> bool {
        static FEATURES: OnceLock<u32> = OnceLock::new();
        let features = *FEATURES.get_or_init(|| {
            #[allow(unused_unsafe, reason = "older compilers hold the instruction for unsafe")]
            // SAFETY: every processor of 64 bits has the instruction.
            let (leaves, features) = unsafe { (__cpuid(0).eax, __cpuid_count(7, 0).edx) };
            if leaves >= 7 && features & TILES != 0 && permitted() {
                features
            } else {
                0
            }
        });
        let wanted = match element {
            TileElement::Bfloat16 => BFLOAT16,
            TileElement::Int8 => INT8,
        };
        features & wanted != 0
    }

    /// Asks Linux for the tiles' state to be kept, without which their instructions are refused.
    fn permitted() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
        const XFEATURE_XTILEDATA: i64 = 18;
        let result: i64;
        // SAFETY: this system call takes only numbers, changes no memory of ours, and fails where it is unknown.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result == 0
    }
}
