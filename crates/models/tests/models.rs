//! The models are those that files of the program need.

use czip_models::{FAST, STANDARD};
use xxhash_rust::xxh3::xxh3_128;

#[test]
fn models_never_change() {
    assert_eq!(STANDARD.len(), 3_713_742);
    assert_eq!(xxh3_128(STANDARD), 0x19f2_067c_4ed8_5786_f823_ca9d_bbf9_6f74);
    assert_eq!(FAST.len(), 3_148_165);
    assert_eq!(xxh3_128(FAST), 0xd426_ee65_ffab_8c7f_bad9_86a7_3883_0b86);
}
