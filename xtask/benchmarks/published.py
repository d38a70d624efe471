"""Figures of others, which are not measured here, each with its source."""

from __future__ import annotations

PAQ8PX = "<https://github.com/hxim/paq8px>, README.md of version 211"
CMIX = "<http://www.byronknoll.com/cmix.html>; its figures also stand in the README of paq8px"
LTCB = "Large Text Compression Benchmark, <http://mattmahoney.net/dc/text.html>"
TS_ZIP = "<https://bellard.org/ts_zip>"
NACRITH = "<https://github.com/robtacconelli/Nacrith-GPU>, README.md, and <https://arxiv.org/abs/2602.19626>"
LLAMA_ZIP = "<https://github.com/AlexBuz/llama-zip>, README.md"
NNCP = "<https://bellard.org/nncp>"

# By file: its bytes, then those of paq8px 210 with -8 and with -12L, cmix 21 with its dictionary.
FILES = {
    "alice29.txt": (152_089, 33_065, 32_851, 31_076),
    "asyoulik.txt": (125_179, 31_512, 31_423, 29_434),
    "lcet10.txt": (426_754, 79_119, 78_807, 73_365),
    "plrabn12.txt": (481_861, 117_451, 116_694, 112_263),
    "cp.html": (24_603, 5_405, 5_389, 4_746),
    "fields.c": (11_150, 2_027, 2_017, 1_909),
    "xargs.1": (4_227, 1_295, 1_293, 1_123),
    "kennedy.xls": (1_029_744, 8_137, 7_849, 7_955),
    "ptt5": (513_216, 19_624, 19_666, 21_883),
    "book1": (768_771, 183_318, 181_492, 173_709),
    "news": (377_109, 83_023, 82_681, 76_389),
    "paper1": (53_161, 12_360, 12_317, 10_831),
    "progc": (39_611, 8_870, 8_804, 8_193),
    "trans": (93_695, 10_977, 10_939, 9_990),
    "geo": (102_400, 42_475, 42_255, 42_760),
    "obj2": (246_814, 40_934, 40_129, 40_139),
}
CANTERBURY = (2_810_784, 305_321, 303_649, 291_395)
CALGARY_14 = (3_141_622, 577_646, 573_140, 546_128)
# The Calgary corpus as most publish it, without papers 3 to 6.
NOT_IN_CALGARY_14 = ("paper3", "paper4", "paper5", "paper6")

# Of neural compressors: model, bits per byte of alice29, book1 and enwik8, speed and hardware, whether a file opens on other
# machines, checksum, promise of the format, source.
NEURAL = [
    (
        "ts_zip",
        "RWKV-4, 169 M parameters in 8 bits",
        "1.142",
        "1.431",
        "1.106",
        "up to 1 MB/s on an RTX 4090; without a GPU not of use",
        "yes, it says: independent of GPU, CPU and threads",
        "not documented",
        "none: experimental, no compatibility between versions",
        TS_ZIP,
    ),
    (
        "llama-zip",
        "any GGUF; here Llama 3.1 8B",
        "",
        "0.915",
        "",
        "that of llama.cpp with the model",
        "no: llama.cpp gives no guarantee, and layers on the GPU matter",
        "none",
        "none; context length and overlap have to be named again",
        LLAMA_ZIP,
    ),
    (
        "Nacrith",
        "SmolLM2-135M in 32-bit floats, n-grams",
        "0.918",
        "",
        "0.939",
        "0.0036 MB/s (alice29 in 42 s), four workers on a GTX 1050 Ti",
        "not promised: floats, llama.cpp",
        "none",
        "earlier formats are no longer read",
        NACRITH,
    ),
    (
        "NNCP v3.2",
        "transformer, learns as it codes; no model to send",
        "3.96 (as Nacrith's authors measured)",
        "",
        "1.193",
        "0.0041 MB/s on a GPU, 7.6 GB",
        "yes, by a library of its own",
        "not documented",
        "not documented",
        f"{NNCP}; {LTCB}",
    ),
    (
        "cmix v21",
        "2,000 context models and an LSTM, learns as it codes",
        "1.635",
        "1.808",
        "1.170",
        "0.0016 MB/s on a CPU, 31 GB",
        "no: with -Ofast floats may differ between computers; with -O3, slower, meant to agree",
        "none",
        "none: each version has its own",
        f"{CMIX}; {LTCB}; <https://github.com/byronknoll/cmix>, README",
    ),
]

CAUTION = (
    "alice29 and book1 are old and widely copied, so the large open models may have read them word for word, SmolLM2 among "
    "them. NNCP and cmix start from nothing, and do much better on long texts than on short ones. The built-in models of czip "
    "have not read the two."
)
