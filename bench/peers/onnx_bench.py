#!/usr/bin/env python3
"""ONNX Runtime's side of bench/compare.py matmul: dynamic int8 (MatMulInteger) and 4-bit blocks (MatMulNBits).

onnx_bench.py matmul --shape 896x4864 --rows 1 --rows 512
"""
import argparse
import math
import os

import numpy as np
import onnxruntime
import turns
from onnx import TensorProto, helper, numpy_helper

RING_BYTES, RING_ROWS = 96 << 20, 8  # as heed: few rows find their weights cold


def session(nodes, constants, n, k, threads):
    graph = helper.make_graph(nodes, "matmul", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", k])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", n])],
                              [numpy_helper.from_array(a, name) for name, a in constants.items()])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def int8(n, k, threads):
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
             helper.make_node("MatMulInteger", ["q", "w", "zero", "w_zero"], ["sums"]),
             helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
             helper.make_node("Mul", ["scale", "w_scale"], ["factor"]),
             helper.make_node("Mul", ["floats", "factor"], ["y"])]
    constants = {"w": np.random.randint(-127, 128, (k, n), np.int8), "w_zero": np.int8(0), "w_scale": np.float32(0.01)}
    return session(nodes, {name: np.asarray(a) for name, a in constants.items()}, n, k, threads)


def nbits(n, k, threads):
    block = 32
    node = helper.make_node("MatMulNBits", ["x", "w", "scales"], ["y"], domain="com.microsoft", K=k, N=n, bits=4, block_size=block, accuracy_level=4)
    constants = {"w": np.random.randint(0, 256, (n, k // block, block // 2), np.uint8), "scales": np.full(n * k // block, 0.01, np.float32)}
    return session([node], constants, n, k, threads)


def matmul(args):
    def prepare():
        cases = {}
        k, n = map(int, args.shape.split("x"))
        for kind, make, size in (("int8 MatMulInteger", int8, 1), ("4-bit MatMulNBits", nbits, 0.56)):
            sessions = [make(n, k, args.threads) for _ in range(math.ceil(RING_BYTES / (n * k * size)))]
            for rows in args.rows:
                x = np.random.standard_normal((rows, k)).astype(np.float32)
                used = sessions if rows <= RING_ROWS else sessions[:1]
                turn = iter(range(1 << 62))
                call = lambda used=used, x=x, turn=turn: used[next(turn) % len(used)].run(None, {"x": x})
                cases[f"{kind} rows {rows}"] = lambda call=call, rows=rows: 2 * rows * n * k / turns.seconds_per_call(call) / 1e9
        return cases

    return prepare


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["matmul"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--shape", default="896x4864")
    parser.add_argument("--rows", type=int, action="append")
    args = parser.parse_args()
    args.rows = args.rows or [1, 512]
    turns.take([matmul(args)], {"name": "ONNX Runtime", "version": onnxruntime.__version__, "isa": "its own choice"})


if __name__ == "__main__":
    main()
