#!/usr/bin/env python3
"""A GGUF file's numbers, as floats, the way model hubs lay them out: config.json and model.safetensors (llama models).

The way back from `heed convert`: what it makes of the directory must be the file's numbers again. Run in .oracles:
hub_from_gguf.py MODEL.gguf DIRECTORY
"""
import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def unpermute(w, heads):
    return w.reshape(heads, w.shape[0] // heads // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def main(source, target):
    reader = gguf.GGUFReader(source)
    field = lambda key: reader.fields[key].contents()
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    out, tensors = pathlib.Path(target), {}
    out.mkdir(parents=True, exist_ok=True)
    for t in reader.tensors:
        data = gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
        stem = t.name.removesuffix(".weight")
        if stem in TOP:
            name = TOP[stem]
        else:
            _, layer, part = stem.split(".")
            name = f"model.layers.{layer}.{NAMES[part]}"
            if part in ("attn_q", "attn_k"):
                data = unpermute(data, heads if part == "attn_q" else kv_heads)
        tensors[name + ".weight"] = np.ascontiguousarray(data)
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": field("llama.embedding_length"), "num_hidden_layers": field("llama.block_count"),
        "intermediate_size": field("llama.feed_forward_length"), "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "max_position_embeddings": field("llama.context_length"), "rms_norm_eps": float(field("llama.attention.layer_norm_rms_epsilon")),
        "rope_theta": float(field("llama.rope.freq_base")), "vocab_size": len(tensors["model.embed_tokens.weight"]),
        "tie_word_embeddings": "lm_head.weight" not in tensors}, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
