//! Integer transformer of czip: reads czip-model-v1 files and predicts the next token
