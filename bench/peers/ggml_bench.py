#!/usr/bin/env python3
"""llama.cpp's kernels alone for bench/compare.py: ggml_mul_mat on the encodings heed reads (repacked where llama.cpp
would repack them), ggml_flash_attn_ext on f16 and q8_0 keys and values; from the libraries in llama-cpp-python.

ggml_bench.py matmul --type q4_k --shape 1536x8960 --rows 1 --rows 512
ggml_bench.py attention --case 14/2,64,1,32768,causal
"""
import argparse
import ctypes
import math
import os
import pathlib

import llama_cpp
import numpy as np
import turns

RING_BYTES, RING_ROWS = 96 << 20, 8  # as heed: few rows and single queries find their memory cold
TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "q4_k": 12, "q5_k": 13, "q6_k": 14, "bf16": 30}
FOLDER = pathlib.Path(llama_cpp.__file__).parent / "lib"
P, I64, F = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float


class InitParams(ctypes.Structure):
    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", P), ("no_alloc", ctypes.c_bool)]


def library():
    base = ctypes.CDLL(str(FOLDER / "libggml-base.so"), mode=ctypes.RTLD_GLOBAL)
    cpu = ctypes.CDLL(str(FOLDER / "libggml-cpu.so"), mode=ctypes.RTLD_GLOBAL)
    signatures = {
        (base, "ggml_init"): (P, [InitParams]),
        (base, "ggml_free"): (None, [P]),
        (base, "ggml_new_tensor_2d"): (P, [P, ctypes.c_int, I64, I64]),
        (base, "ggml_new_tensor_3d"): (P, [P, ctypes.c_int, I64, I64, I64]),
        (base, "ggml_mul_mat"): (P, [P, P, P]),
        (base, "ggml_flash_attn_ext"): (P, [P, P, P, P, P, F, F, F]),
        (base, "ggml_new_graph_custom"): (P, [P, ctypes.c_size_t, ctypes.c_bool]),
        (base, "ggml_build_forward_expand"): (None, [P, P]),
        (base, "ggml_nbytes"): (ctypes.c_size_t, [P]),
        (base, "ggml_backend_alloc_ctx_tensors"): (P, [P, P]),
        (base, "ggml_backend_alloc_ctx_tensors_from_buft"): (P, [P, P]),
        (base, "ggml_backend_tensor_set"): (None, [P, P, ctypes.c_size_t, ctypes.c_size_t]),
        (base, "ggml_backend_graph_compute"): (ctypes.c_int, [P, P]),
        (base, "ggml_backend_get_device"): (P, [P]),
        (base, "ggml_backend_dev_supports_op"): (ctypes.c_bool, [P, P]),
        (base, "ggml_backend_buffer_free"): (None, [P]),
        (base, "ggml_backend_reg_get_proc_address"): (P, [P, ctypes.c_char_p]),
        (cpu, "ggml_backend_cpu_init"): (P, []),
        (cpu, "ggml_backend_cpu_reg"): (P, []),
        (cpu, "ggml_backend_cpu_set_n_threads"): (None, [P, ctypes.c_int]),
    }
    calls = {}
    for (where, name), (result, arguments) in signatures.items():
        f = getattr(where, name)
        f.restype, f.argtypes = result, arguments
        calls[name.removeprefix("ggml_")] = f
    return type("Ggml", (), {name: staticmethod(f) for name, f in calls.items()})


class Bench:
    def __init__(self, threads):
        self.g = library()
        self.backend = self.g.backend_cpu_init()
        self.g.backend_cpu_set_n_threads(self.backend, threads)
        self.device = self.g.backend_get_device(self.backend)

    def context(self, size=1 << 22):
        return self.g.init(InitParams(size, None, True))

    def repacking_buffers(self):
        address = self.g.backend_reg_get_proc_address(self.g.backend_cpu_reg(), b"ggml_backend_dev_get_extra_bufts")
        if not address:
            return []
        found = ctypes.CFUNCTYPE(ctypes.POINTER(P), P)(address)(self.device)
        kinds = []
        while found and found[len(kinds)]:
            kinds.append(found[len(kinds)])
        return kinds

    def fill(self, tensor, is_float=False):
        n = self.g.nbytes(tensor)
        data = np.full(n // 4, 0.5, np.float32) if is_float else np.random.randint(0, 0x40, n, np.uint8)
        self.g.backend_tensor_set(tensor, data.ctypes.data_as(P), 0, n)

    def weights(self, kind, k, n, copies):
        """In the buffer that llama.cpp would choose: the first repacking one that takes the product, else a plain one."""
        for buffer_type in self.repacking_buffers():
            context = self.context()
            tensors = [self.g.new_tensor_2d(context, TYPES[kind], k, n) for _ in range(copies)]
            buffer = self.g.backend_alloc_ctx_tensors_from_buft(context, buffer_type)
            probe = self.context()
            product = self.g.mul_mat(probe, tensors[0], self.g.new_tensor_2d(probe, TYPES["f32"], k, 512))
            if buffer and self.g.backend_dev_supports_op(self.device, product):
                return tensors
            if buffer:
                self.g.backend_buffer_free(buffer)
        context = self.context()
        tensors = [self.g.new_tensor_2d(context, TYPES[kind], k, n) for _ in range(copies)]
        self.g.backend_alloc_ctx_tensors(context, self.backend)
        return tensors

    def seconds(self, make_nodes, count):
        """A run: seconds of one of the `count` nodes of a graph. The nodes' memory is allocated here."""
        context = self.context()
        graph = self.g.new_graph_custom(context, 4 * count + 16, False)
        inputs, nodes = make_nodes(context)
        for node in nodes:
            self.g.build_forward_expand(graph, node)
        self.g.backend_alloc_ctx_tensors(context, self.backend)
        for tensor in inputs:
            self.fill(tensor, is_float=True)
        return lambda: turns.seconds_per_call(lambda: self.g.backend_graph_compute(self.backend, graph)) / count


def matmul(args, bench):
    def prepare():
        cases = {}
        k, n = map(int, args.shape.split("x"))
        size = n * k * {"q4_0": 18, "q4_k": 18, "q4_1": 20, "q5_0": 22, "q5_k": 22, "q5_1": 24, "q6_k": 26.25, "q8_0": 34, "f16": 64, "bf16": 64, "f32": 128}[args.type] / 32
        weights = bench.weights(args.type, k, n, math.ceil(RING_BYTES / size))
        for w in weights:
            bench.fill(w)
        for rows in args.rows:
            used = weights if rows <= RING_ROWS else weights[:1]

            def nodes(context, rows=rows, used=used):
                x = bench.g.new_tensor_2d(context, TYPES["f32"], k, rows)
                return [x], [bench.g.mul_mat(context, w, x) for w in used]

            run = bench.seconds(nodes, len(used))
            cases[f"{args.type} mul_mat rows {rows}"] = lambda run=run, rows=rows: 2 * rows * n * k / run() / 1e9
        return cases

    return prepare


def causal_mask(queries, keys, window):
    rows, columns = np.arange(queries)[:, None] + keys - queries, np.arange(keys)[None, :]
    hidden = (columns > rows) | ((columns <= rows - window) if window else False)
    return np.where(hidden, -np.inf, 0).astype(np.float16)


def attention(args, bench):
    heads_of, dim, queries, keys, *words = args.case.split(",")
    heads, kv_heads = map(int, heads_of.split("/"))
    dim, queries, keys, causal = int(dim), int(queries), int(keys), "causal" in words
    window = next((int(w.split("=")[1]) for w in words if w.startswith("window=")), 0)
    mask = causal_mask(queries, keys, window)
    pairs = int(np.isfinite(mask).sum()) if causal else queries * keys

    def prepare():
        cases = {}
        for kind, size in (("f16", 2), ("q8_0", 34 / 32)):
            copies = math.ceil(RING_BYTES / (2 * kv_heads * keys * dim * size)) if queries == 1 else 1
            cache = bench.context()
            kv = [bench.g.new_tensor_3d(cache, TYPES[kind], dim, keys, kv_heads) for _ in range(2 * copies)]
            bench.g.backend_alloc_ctx_tensors(cache, bench.backend)
            for tensor in kv:
                bench.fill(tensor)

            seen = bench.context()
            visible = None
            if causal and (queries > 1 or window):
                visible = bench.g.new_tensor_2d(seen, TYPES["f16"], keys, queries)
                bench.g.backend_alloc_ctx_tensors(seen, bench.backend)
                bench.g.backend_tensor_set(visible, mask.ctypes.data_as(P), 0, mask.nbytes)

            def nodes(context, kv=kv, visible=visible):
                q = bench.g.new_tensor_3d(context, TYPES["f32"], dim, queries, heads)
                return [q], [bench.g.flash_attn_ext(context, q, kv[i], kv[i + 1], visible, 1 / math.sqrt(dim), 0.0, 0.0) for i in range(0, len(kv), 2)]

            run = bench.seconds(nodes, copies)
            cases[f"flash_attn {kind}"] = lambda run=run: pairs * heads * 4 * dim / run() / 1e9
        return cases

    return prepare


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["matmul", "attention"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--type", default="q8_0", choices=sorted(TYPES))
    parser.add_argument("--shape", default="896x4864")
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--case", default="14/2,64,1,32768,causal")
    args = parser.parse_args()
    args.rows = args.rows or [1, 512]
    system = llama_cpp.llama_print_system_info().decode()
    isa = next((name for name in ("AMX_INT8", "AVX512_VNNI", "AVX512", "AVX_VNNI", "AVX2", "NEON") if f"{name} = 1" in system), "unknown")
    bench = Bench(args.threads)
    turns.take([{"matmul": matmul, "attention": attention}[args.what](args, bench)],
               {"name": "llama.cpp", "version": f"llama-cpp-python {llama_cpp.__version__}", "isa": isa})


if __name__ == "__main__":
    main()
