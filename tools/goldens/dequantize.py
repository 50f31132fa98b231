"""Writes tests/golden/dequantize.bin: random blocks of every encoding and their floats by the Python `gguf` package.

Records: name length u32, name, values u32, bytes u32, the bytes, the floats (little endian). Run: python dequantize.py
"""
import pathlib
import struct

import gguf
import numpy as np

# Offsets of the half-precision factors in a block (none: see put_half), and how many blocks to draw.
TYPES = {
    "Q4_0": ([0], 24), "Q4_1": ([0, 2], 24), "Q5_0": ([0], 24), "Q5_1": ([0, 2], 24), "Q8_0": ([0], 24),
    "Q2_K": ([80, 82], 12), "Q3_K": ([108], 12), "Q4_K": ([0, 2], 12), "Q5_K": ([0, 2], 12), "Q6_K": ([208], 12),
    "IQ4_NL": ([0], 24), "IQ4_XS": ([0], 9), "IQ3_S": ([0], 9), "IQ3_XXS": ([0], 9), "IQ2_S": ([0], 9),
    "IQ2_XS": ([0], 9), "IQ2_XXS": ([0], 9), "IQ1_S": ([0], 9), "TQ1_0": ([52], 9), "TQ2_0": ([64], 9),
    "IQ1_M": (None, 9), "MXFP4": ([], 24),
}
# zero, smallest and largest subnormal, smallest normal, one, largest, infinity; both signs
HALVES = [0x0000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0x7C00, 0x8000, 0x8001, 0x83FF, 0xBC00, 0xFBFF]


def record(name: str, raw: np.ndarray, floats: np.ndarray) -> bytes:
    label = name.encode()
    data, out = raw.tobytes(), floats.astype("<f4").tobytes()
    return struct.pack("<I", len(label)) + label + struct.pack("<II", floats.size, len(data)) + data + out


def put_half(block: np.ndarray, places: list[int] | None, order: int, half: int) -> None:
    if places is not None:
        block[places[order]:places[order] + 2] = [half & 255, half >> 8]
        return
    for i in range(4):  # IQ1_M: a nibble at the top of each of the last four words
        block[49 + 2 * i] = block[49 + 2 * i] & 15 | (half >> 4 * i & 15) << 4


def write(name: str, content: bytes) -> None:
    path = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / name
    path.write_bytes(content)
    print(f"{path.name}: {len(content)} bytes")


def main() -> None:
    rng = np.random.default_rng(20240501)
    out = b""
    np.seterr(all="ignore")
    for name, (places, count) in TYPES.items():
        kind = gguf.GGMLQuantizationType[name]
        block_bytes = gguf.GGML_QUANT_SIZES[kind][1]
        raw = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
        for i in range(count):
            if name == "MXFP4":
                raw[i, 0] = [0, 1, 2, 3, 127, 128, 254, 255][i % 8]
            for order in range(1 if places is None else len(places)):
                # extremes first, then weights of a usual size
                half = HALVES[(i + 5 * order) % len(HALVES)] if i < 12 and count > 12 or i < 8 else None
                if half is None:
                    half = int(np.float16(rng.normal(0, 0.02)).view(np.uint16))
                put_half(raw[i], places, order, half)
        out += record(name, raw, gguf.dequantize(raw, kind))
    # Formats of activations, which the package names but does not decode: the number of a byte times the block's factor.
    raw = rng.integers(0, 256, (24, 36), dtype=np.uint8)
    raw[:, :2] = rng.normal(0, 0.02, 24).astype("<f2").view(np.uint8).reshape(24, 2)
    out += record("Q8_1", raw, raw[:, :2].copy().view("<f2").astype(np.float32) * raw[:, 4:].view(np.int8))
    raw = rng.integers(0, 256, (6, 292), dtype=np.uint8)
    raw[:, :4] = rng.normal(0, 0.02, 6).astype("<f4").view(np.uint8).reshape(6, 4)
    out += record("Q8_K", raw, raw[:, :4].copy().view("<f4") * raw[:, 4:260].view(np.int8))
    for name, kind in (("F16", gguf.GGMLQuantizationType.F16), ("BF16", gguf.GGMLQuantizationType.BF16)):
        raw = rng.integers(0, 65536, 256, dtype=np.uint16).astype("<u2")
        out += record(name, raw, gguf.dequantize(raw.view(np.uint8).reshape(1, -1), kind).reshape(-1))
    write("dequantize.bin", out)


if __name__ == "__main__":
    main()
