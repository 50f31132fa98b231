#!/usr/bin/env python3
"""Writes tests/golden/quantize.bin: random rows and their blocks by the Python `gguf` package, for the encodings that it
quantizes and that heed must write bit for bit. Records as dequantize.py's. Run in .oracles."""
import gguf
import numpy as np

from dequantize import record, write

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]


def rows():
    rng = np.random.default_rng(20240502)
    x = rng.normal(0, 1, (48, 32)).astype(np.float32)
    x[:24] *= np.float32(10.0) ** np.arange(-8, 4, 0.5, dtype=np.float32)[:, None]  # scales of a half, subnormal to large
    x[24], x[25], x[26, ::2] = 0, 1.5, -0.0
    x[27] = np.arange(32) - 15.5  # ties
    x[28] = np.where(np.arange(32) % 2 == 0, -8, 8)  # two extremes: the first decides
    x[29] = np.abs(x[29])
    x[30] = -np.abs(x[30])
    x[31, 1:] = 0
    return x


def main():
    np.seterr(all="ignore")
    x = rows()
    write("quantize.bin", b"".join(record(name, gguf.quantize(x, gguf.GGMLQuantizationType[name]), x) for name in TYPES))


if __name__ == "__main__":
    main()
