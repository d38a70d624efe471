//! Shifts that round, for the loops of this crate.
//!
//! They are those of `czip-fixed` without the checks for overflow of a build for development. One check is enough to keep
//! the compiler from vectorising a loop, and then tests take half as long again. So they stand where the types of what goes in
//! bound it.

/// [`czip_fixed::rne_shr_i32`], unchecked.
#[inline(always)]
pub(crate) const fn rne_shr_i32(x: i32, shift: u32) -> i32 {
    let odd = x.wrapping_shr(shift) & 1;
    let half = 1i32.wrapping_shl(shift.wrapping_sub(1));
    x.wrapping_add(half.wrapping_sub(1).wrapping_add(odd))
        .wrapping_shr(shift)
}

/// [`czip_fixed::round_shr`], unchecked.
#[inline(always)]
pub(crate) const fn round_shr(x: i32, shift: u32) -> i32 {
    x.wrapping_add(1i32.wrapping_shl(shift) >> 1).wrapping_shr(shift)
}

#[cfg(test)]
mod tests {
    #[test]
    fn they_round_as_those_with_checks() {
        for shift in 1..=30 {
            let half = 1 << (shift - 1);
            let most = i32::MAX - half;
            let around = |x: i32| (-2..=2).map(move |more| x.saturating_add(more));
            for x in [-most, -3 * (half / 2), -half, 0, half, 3 * (half / 2), most]
                .into_iter()
                .flat_map(around)
                .filter(|&x| -most < x && x < most)
            {
                assert_eq!(super::rne_shr_i32(x, shift), czip_fixed::rne_shr_i32(x, shift));
                assert_eq!(super::round_shr(x, shift), czip_fixed::round_shr(x, shift));
            }
        }
        assert_eq!(super::round_shr(-5, 0), -5);
    }
}
