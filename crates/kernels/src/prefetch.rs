//! Hints to the memory system.

/// Asks for the cache line of an element that is needed soon. Changes nothing but time; an index outside of the slice
/// is ignored.
#[inline(always)]
pub fn prefetch<T>(slice: &[T], index: usize) {
    let Some(element) = slice.get(index) else {
        return;
    };
    let pointer = std::ptr::from_ref(element).cast::<i8>();
    // SAFETY: every x86-64 processor has SSE, and the pointer is that of a reference.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(pointer);
    }
    // SAFETY: the instruction is a hint that changes no state, and the pointer is that of a reference.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{0}]",
            in(reg) pointer,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = pointer;
}
