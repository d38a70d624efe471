//! The model is the one that files of the program need.

use czip_models::STANDARD;
use xxhash_rust::xxh3::xxh3_128;

#[test]
fn standard_never_changes() {
    assert_eq!(STANDARD.len(), 3_921_610);
    assert_eq!(xxh3_128(STANDARD), 0xef13_0490_8361_df07_d5c2_53c4_c409_a721);
}
