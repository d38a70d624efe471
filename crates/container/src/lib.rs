//! The CZIPv1 file format: headers, chunk table, outer codecs
