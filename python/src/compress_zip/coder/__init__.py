"""The entropy coders: intervals of symbols for CZIPv1, single decisions for czip v2."""
