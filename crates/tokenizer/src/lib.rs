//! Byte-level BPE tokenizer of czip
