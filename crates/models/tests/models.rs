//! The models are those that files of the program need.

use czip_models::{FAST, STANDARD};
use xxhash_rust::xxh3::xxh3_128;

#[test]
fn models_never_change() {
    assert_eq!(STANDARD.len(), 3_716_209);
    assert_eq!(xxh3_128(STANDARD), 0x0f9f_26ae_ef1c_611e_2856_e743_e185_c321);
    assert_eq!(FAST.len(), 3_148_165);
    assert_eq!(xxh3_128(FAST), 0xd426_ee65_ffab_8c7f_bad9_86a7_3883_0b86);
}
