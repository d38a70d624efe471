//! Integer matrix products and the other inner loops of czip's transformer
