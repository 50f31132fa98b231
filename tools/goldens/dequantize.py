"""Writes tests/golden/dequantize.bin: random blocks of every encoding and their floats by the Python `gguf` package.

Records: name length u32, name, values u32, bytes u32, the bytes, the floats (little endian). Run: python dequantize.py
"""
import pathlib
import struct

import gguf
import numpy as np

# Offsets of the half-precision factors in a block, and how many blocks to draw.
TYPES = {
    "Q4_0": ([0], 24), "Q4_1": ([0, 2], 24), "Q5_0": ([0], 24), "Q5_1": ([0, 2], 24), "Q8_0": ([0], 24),
    "Q2_K": ([80, 82], 12), "Q3_K": ([108], 12), "Q4_K": ([0, 2], 12), "Q5_K": ([0, 2], 12), "Q6_K": ([208], 12),
}
# zero, smallest and largest subnormal, smallest normal, one, largest, infinity; both signs
HALVES = [0x0000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0x7C00, 0x8000, 0x8001, 0x83FF, 0xBC00, 0xFBFF]


def record(name: str, raw: np.ndarray, floats: np.ndarray) -> bytes:
    label = name.encode()
    data, out = raw.tobytes(), floats.astype("<f4").tobytes()
    return struct.pack("<I", len(label)) + label + struct.pack("<II", floats.size, len(data)) + data + out


def main() -> None:
    rng = np.random.default_rng(20240501)
    out = b""
    np.seterr(all="ignore")
    for name, (places, count) in TYPES.items():
        kind = gguf.GGMLQuantizationType[name]
        block_bytes = gguf.GGML_QUANT_SIZES[kind][1]
        raw = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
        for i in range(count):
            for order, place in enumerate(places):
                # extremes first, then weights of a usual size
                half = HALVES[(i + 5 * order) % len(HALVES)] if i < 12 and count > 12 or i < 8 else None
                if half is None:
                    half = int(np.float16(rng.normal(0, 0.02)).view(np.uint16))
                raw[i, place:place + 2] = [half & 255, half >> 8]
        out += record(name, raw, gguf.dequantize(raw, kind))
    for name, kind in (("F16", gguf.GGMLQuantizationType.F16), ("BF16", gguf.GGMLQuantizationType.BF16)):
        raw = rng.integers(0, 65536, 256, dtype=np.uint16).astype("<u2")
        out += record(name, raw, gguf.dequantize(raw.view(np.uint8).reshape(1, -1), kind).reshape(-1))
    path = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "dequantize.bin"
    path.write_bytes(out)
    print(f"{path.name}: {len(out)} bytes")


if __name__ == "__main__":
    main()
