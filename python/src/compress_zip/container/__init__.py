"""The framing of compressed files: headers, lengths, checksums, index.

What the payloads stand for is not known here.
"""
