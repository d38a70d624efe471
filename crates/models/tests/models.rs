//! The models are those that files of the program need.

use czip_models::{FAST, STANDARD};
use xxhash_rust::xxh3::xxh3_128;

#[test]
fn models_never_change() {
    assert_eq!(STANDARD.len(), 3_921_610);
    assert_eq!(xxh3_128(STANDARD), 0xef13_0490_8361_df07_d5c2_53c4_c409_a721);
    assert_eq!(FAST.len(), 3_148_165);
    assert_eq!(xxh3_128(FAST), 0xd426_ee65_ffab_8c7f_bad9_86a7_3883_0b86);
}
