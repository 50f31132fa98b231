#!/usr/bin/env python3
"""Tiny random models of every family, made by transformers: weights and what each layer must give.

Writes tests/golden/models/FAMILY.gguf (weights) and FAMILY.expected.gguf (tokens, hidden state after the embedding,
after every block and after the final norm, logits), <= 200 KB each. Run in .oracles; CI needs none of this.
"""
import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers as tf

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/models"
VOCAB, TOKENS = 64, 24

COMMON = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=32, num_attention_heads=2, num_key_value_heads=1,
              max_position_embeddings=128, attn_implementation="eager")
FAMILIES = {
    "llama": (tf.LlamaForCausalLM, tf.LlamaConfig(**COMMON, head_dim=16, num_hidden_layers=4, rope_theta=10000.0)),
    "qwen2": (tf.Qwen2ForCausalLM, tf.Qwen2Config(**COMMON, num_hidden_layers=4, rope_theta=1e6)),
    "qwen3": (tf.Qwen3ForCausalLM, tf.Qwen3Config(**COMMON, head_dim=16, num_hidden_layers=4, rope_theta=1e6)),
    "gemma": (tf.GemmaForCausalLM, tf.GemmaConfig(**COMMON, head_dim=16, num_hidden_layers=4)),
    "gemma2": (tf.Gemma2ForCausalLM, tf.Gemma2Config(  # caps so low that they matter
        **COMMON, head_dim=16, num_hidden_layers=5, query_pre_attn_scalar=16, sliding_window=8, attn_logit_softcapping=3.0,
        final_logit_softcapping=5.0)),
    "gemma3": (tf.Gemma3ForCausalLM, tf.Gemma3TextConfig(
        **COMMON, head_dim=16, num_hidden_layers=7, query_pre_attn_scalar=16, sliding_window=8,
        layer_types=["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(7)])),
}
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
}


def gguf_name(family, name):
    norms = {"post_attention_layernorm": "ffn_norm"}
    if family in ("gemma2", "gemma3"):
        norms = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                 "post_feedforward_layernorm": "post_ffw_norm"}
    top = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    stem, leaf = name.rsplit(".", 1)
    if stem in top:
        return f"{top[stem]}.{leaf}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{(NAMES | norms)[part]}.{leaf}"


def permute(w, heads):  # GGUF's llama order: RoPE pairs become neighbours
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def write_weights(family, model, config):
    w = gguf.GGUFWriter(OUT / f"{family}.gguf", family)
    w.add_context_length(128)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_key_length(16)
    w.add_value_length(16)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    w.add_rope_freq_base((rope.get("full_attention") or rope)["rope_theta"])
    w.add_vocab_size(VOCAB)
    if family in ("gemma2", "gemma3"):
        w.add_sliding_window(config.sliding_window)
    if family == "gemma2":
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = tensor.numpy().astype(np.float32)
        if family == "llama" and (".q_proj." in name or ".k_proj." in name):
            data = permute(data, config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads)
        if family.startswith("gemma") and "norm" in name:
            data = data + 1  # GGUF keeps the factor, transformers its distance from one
        w.add_tensor(gguf_name(family, name), np.ascontiguousarray(data))
    finish(w)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_expected(family, model):
    tokens = torch.randint(0, VOCAB, (1, TOKENS), generator=torch.Generator().manual_seed(7))
    seen = {}
    model.model.embed_tokens.register_forward_hook(lambda m, i, o: seen.__setitem__("embed", o))
    for n, layer in enumerate(model.model.layers):
        layer.register_forward_hook(lambda m, i, o, n=n: seen.__setitem__(f"layer.{n}", o[0] if isinstance(o, tuple) else o))
    model.model.norm.register_forward_hook(lambda m, i, o: seen.__setitem__("norm", o))
    with torch.no_grad():
        logits = model(tokens).logits
    w = gguf.GGUFWriter(OUT / f"{family}.expected.gguf", family)
    w.add_tensor("tokens", tokens[0].numpy().astype(np.int32))
    for name, value in seen.items():
        w.add_tensor(name, value.reshape(TOKENS, -1).numpy().astype(np.float32))
    w.add_tensor("logits", logits[0].numpy().astype(np.float32))
    finish(w)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for family, (cls, config) in FAMILIES.items():
        torch.manual_seed(1)
        model = cls(config).eval()
        with torch.no_grad():
            for name, p in model.named_parameters():  # norms and biases must matter, too
                if p.ndim == 1:
                    p.add_(0.2 * torch.randn_like(p))
                else:
                    p.mul_(4)
        write_weights(family, model, config)
        write_expected(family, model)
        print(family, (OUT / f"{family}.gguf").stat().st_size, "bytes")


if __name__ == "__main__":
    sys.exit(main())
