#!/usr/bin/env python3
"""Tiny random models of every family, made by transformers: weights and what each layer must give.

Writes tests/golden/models/NAME.gguf (weights) and NAME.expected.gguf (tokens, hidden state after the embedding,
after every block and after the final norm, logits), <= 200 KB each. Run in .oracles; CI needs none of this.

    models.py                    every golden
    models.py phi2 llama3-rope   those
"""
import math
import pathlib
import re
import sys

import gguf
import numpy as np
import torch
import transformers as tf

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/models"
VOCAB, TOKENS, LAYERS = 64, 24, 4

COMMON = dict(vocab_size=VOCAB, num_hidden_layers=LAYERS, hidden_size=32, intermediate_size=32, num_attention_heads=2, max_position_embeddings=128,
              attn_implementation="eager", bos_token_id=1, eos_token_id=2, pad_token_id=0)
GROUPED = dict(COMMON, num_key_value_heads=1)
HEAD = dict(GROUPED, head_dim=16)
MOE = dict(GROUPED, num_hidden_layers=2, num_experts_per_tok=2)
HYBRID = dict(GROUPED, num_hidden_layers=3, layer_types=["linear_attention", "full_attention", "linear_attention"],
              shared_intermediate_size=32, mamba_n_heads=4, mamba_d_head=16, mamba_n_groups=2, mamba_d_state=16, mamba_d_conv=4,
              mamba_expand=2)
LATENT = dict(COMMON, num_hidden_layers=2, num_key_value_heads=2, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=16,
              n_routed_experts=4, n_shared_experts=2, moe_intermediate_size=32, first_k_dense_replace=1, num_experts_per_tok=2,
              topk_method="greedy", norm_topk_prob=False, routed_scaling_factor=1.5)
GROUPED_EXPERTS = dict(LATENT, n_routed_experts=6, n_shared_experts=1, q_lora_rank=32, splits_kv_b=True)
HEAD_MOE = dict(MOE, head_dim=16)
TWO = dict(GROUPED, num_hidden_layers=2)
TWO_HEAD = dict(TWO, head_dim=16)
BY_SIGMOID = dict(TWO, n_routed_experts=4, n_shared_experts=1, moe_intermediate_size=32, first_k_dense_replace=1, num_experts_per_tok=2,
                  norm_topk_prob=True, routed_scaling_factor=1.5, n_group=1, topk_group=1)
CONV = dict(GROUPED, num_hidden_layers=3, layer_types=["conv", "full_attention", "conv"], conv_L_cache=3, block_auto_adjust_ff_dim=False)
WINDOW_EVERY_OTHER = ["sliding_attention", "full_attention"]


def rope(kind, **more):
    return dict(rope_type=kind, rope_theta=10000.0, **more)


LONG = dict(long_factor=[1.0 + 0.5 * i for i in range(8)], short_factor=[1.0 + 0.1 * i for i in range(8)])

# name -> (architecture, class, config)
MODELS = {
    "llama": ("llama", tf.LlamaForCausalLM, tf.LlamaConfig(**HEAD)),
    "llama3-rope": ("llama", tf.LlamaForCausalLM, tf.LlamaConfig(**HEAD, rope_parameters=rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16))),
    "linear-rope": ("llama", tf.LlamaForCausalLM, tf.LlamaConfig(**HEAD, rope_parameters=rope("linear", factor=4.0))),
    "yarn-rope": ("llama", tf.LlamaForCausalLM, tf.LlamaConfig(**HEAD, rope_parameters=rope(
        "yarn", factor=4.0, original_max_position_embeddings=32))),
    "mixtral": ("llama", tf.MixtralForCausalLM, tf.MixtralConfig(**HEAD_MOE, num_local_experts=4)),
    "granite": ("granite", tf.GraniteForCausalLM, tf.GraniteConfig(
        **GROUPED, embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=2.5)),
    "granitemoe": ("granitemoe", tf.GraniteMoeForCausalLM, tf.GraniteMoeConfig(
        **MOE, num_local_experts=4, embedding_multiplier=3.0, residual_multiplier=0.4, logits_scaling=2.5)),
    "granitehybrid": ("granitehybrid", tf.GraniteMoeHybridForCausalLM, tf.GraniteMoeHybridConfig(
        **dict(HYBRID, num_hidden_layers=2, layer_types=HYBRID["layer_types"][:2]), num_local_experts=3, num_experts_per_tok=2, embedding_multiplier=3.0, residual_multiplier=0.4, logits_scaling=2.5)),
    "granite4-dense": ("granitehybrid", tf.GraniteMoeHybridForCausalLM, tf.GraniteMoeHybridConfig(
        **HYBRID, num_local_experts=0, num_experts_per_tok=0, position_embedding_type="rope")),
    "smollm3": ("smollm3", tf.SmolLM3ForCausalLM, tf.SmolLM3Config(**GROUPED)),
    "qwen2": ("qwen2", tf.Qwen2ForCausalLM, tf.Qwen2Config(**GROUPED, rope_theta=1e6)),
    "qwen2moe": ("qwen2moe", tf.Qwen2MoeForCausalLM, tf.Qwen2MoeConfig(
        **MOE, num_experts=4, moe_intermediate_size=32, shared_expert_intermediate_size=64)),
    "qwen3": ("qwen3", tf.Qwen3ForCausalLM, tf.Qwen3Config(**HEAD, rope_theta=1e6)),
    "qwen3moe": ("qwen3moe", tf.Qwen3MoeForCausalLM, tf.Qwen3MoeConfig(
        **HEAD_MOE, num_experts=4, moe_intermediate_size=32, norm_topk_prob=True)),
    "gemma": ("gemma", tf.GemmaForCausalLM, tf.GemmaConfig(**HEAD)),
    "gemma2": ("gemma2", tf.Gemma2ForCausalLM, tf.Gemma2Config(  # caps so low that they matter
        **dict(HEAD, num_hidden_layers=5), query_pre_attn_scalar=16, sliding_window=8, attn_logit_softcapping=3.0,
        final_logit_softcapping=5.0)),
    "gemma3": ("gemma3", tf.Gemma3ForCausalLM, tf.Gemma3TextConfig(
        **dict(HEAD, num_hidden_layers=7), query_pre_attn_scalar=16, sliding_window=8,
        layer_types=["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(7)])),
    "phi2": ("phi2", tf.PhiForCausalLM, tf.PhiConfig(**COMMON)),
    "phi3": ("phi3", tf.Phi3ForCausalLM, tf.Phi3Config(**GROUPED, sliding_window=8)),
    "long-rope": ("phi3", tf.Phi3ForCausalLM, tf.Phi3Config(
        **GROUPED, original_max_position_embeddings=16, rope_parameters=rope("longrope", **LONG))),
    "short-rope": ("phi3", tf.Phi3ForCausalLM, tf.Phi3Config(
        **GROUPED, original_max_position_embeddings=64, rope_parameters=rope("longrope", **LONG))),
    "gpt2": ("gpt2", tf.GPT2LMHeadModel, tf.GPT2Config(
        vocab_size=VOCAB, n_layer=LAYERS, n_embd=32, n_head=2, n_positions=128, n_inner=64, bos_token_id=1, eos_token_id=2,
        attn_implementation="eager")),
    "gptneox": ("gptneox", tf.GPTNeoXForCausalLM, tf.GPTNeoXConfig(**COMMON)),
    "starcoder2": ("starcoder2", tf.Starcoder2ForCausalLM, tf.Starcoder2Config(**GROUPED, sliding_window=8)),
    "falcon": ("falcon", tf.FalconForCausalLM, tf.FalconConfig(
        vocab_size=VOCAB, num_hidden_layers=LAYERS, hidden_size=32, num_attention_heads=2, ffn_hidden_size=64, bos_token_id=1, eos_token_id=2,
        attn_implementation="eager")),
    "stablelm": ("stablelm", tf.StableLmForCausalLM, tf.StableLmConfig(**GROUPED, use_qkv_bias=True)),
    "olmo2": ("olmo2", tf.Olmo2ForCausalLM, tf.Olmo2Config(**GROUPED)),
    "olmoe": ("olmoe", tf.OlmoeForCausalLM, tf.OlmoeConfig(**MOE, num_experts=4)),
    "command-r": ("command-r", tf.CohereForCausalLM, tf.CohereConfig(**GROUPED, logit_scale=0.25)),
    "cohere2": ("cohere2", tf.Cohere2ForCausalLM, tf.Cohere2Config(**GROUPED, logit_scale=0.25, sliding_window=8)),
    "deepseek2": ("deepseek2", tf.DeepseekV2ForCausalLM, tf.DeepseekV2Config(**LATENT, q_lora_rank=None)),
    "deepseek2-yarn": ("deepseek2", tf.DeepseekV2ForCausalLM, tf.DeepseekV2Config(
        **LATENT, q_lora_rank=32, rope_parameters=rope("yarn", factor=4.0, original_max_position_embeddings=32, mscale=0.707,
                                                       mscale_all_dim=0.707))),
    "deepseek2-split": ("deepseek2", tf.DeepseekV2ForCausalLM, tf.DeepseekV2Config(
        **dict(GROUPED_EXPERTS, topk_method="group_limited_greedy"), n_group=3, topk_group=2)),
    "deepseek3": ("deepseek2", tf.DeepseekV3ForCausalLM, tf.DeepseekV3Config(
        **dict(GROUPED_EXPERTS, norm_topk_prob=True), n_group=2, topk_group=1, rope_interleave=True, rope_parameters=rope(
            "yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0))),
    "gpt-oss": ("gpt-oss", tf.GptOssForCausalLM, tf.GptOssConfig(
        **HEAD_MOE, num_local_experts=4, sliding_window=8, layer_types=WINDOW_EVERY_OTHER, rope_parameters=rope(
            "yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=32.0, beta_slow=1.0, truncate=False))),
    "command-r-plus": ("command-r", tf.CohereForCausalLM, tf.CohereConfig(**TWO, logit_scale=0.25, use_qk_norm=True)),
    "falcon-40b": ("falcon", tf.FalconForCausalLM, tf.FalconConfig(
        vocab_size=VOCAB, num_hidden_layers=2, hidden_size=64, num_attention_heads=4, num_kv_heads=2, ffn_hidden_size=64, bos_token_id=1,
        eos_token_id=2, new_decoder_architecture=True, attn_implementation="eager")),
    "minicpm3": ("minicpm3", tf.MiniCPM3ForCausalLM, tf.MiniCPM3Config(
        **dict(COMMON, num_hidden_layers=2), num_key_value_heads=2, kv_lora_rank=32, q_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=16,
        v_head_dim=16)),
    "internlm2": ("internlm2", tf.LlamaForCausalLM, tf.LlamaConfig(**TWO)),
    "xverse": ("xverse", tf.LlamaForCausalLM, tf.LlamaConfig(**dict(TWO, num_key_value_heads=2))),
    "baichuan": ("baichuan", tf.LlamaForCausalLM, tf.LlamaConfig(**dict(TWO, num_key_value_heads=2))),
    "minicpm": ("minicpm", tf.GraniteForCausalLM, tf.GraniteConfig(
        **TWO, embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.25, logits_scaling=2.5)),
    "arcee": ("arcee", tf.ArceeForCausalLM, tf.ArceeConfig(**TWO)),
    "orion": ("orion", tf.StableLmForCausalLM, tf.StableLmConfig(
        **dict(TWO, num_key_value_heads=2), rope_parameters=rope("default", partial_rotary_factor=1.0))),
    "qwen": ("qwen", tf.Qwen2ForCausalLM, tf.Qwen2Config(**dict(TWO, num_key_value_heads=2))),
    "seed-oss": ("seed_oss", tf.SeedOssForCausalLM, tf.SeedOssConfig(**TWO_HEAD)),
    "exaone": ("exaone", tf.LlamaForCausalLM, tf.LlamaConfig(**TWO, rope_parameters=rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16))),
    "exaone4": ("exaone4", tf.Exaone4ForCausalLM, tf.Exaone4Config(**HEAD, sliding_window=8, sliding_window_pattern=4)),
    "olmo3": ("olmo2", tf.Olmo3ForCausalLM, tf.Olmo3Config(**GROUPED, sliding_window=8, rope_parameters=rope(
        "yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=32.0, beta_slow=1.0, attention_factor=1.2))),
    "ernie4-5": ("ernie4_5", tf.Ernie4_5ForCausalLM, tf.Ernie4_5Config(**TWO_HEAD)),
    "ernie4-5-moe": ("ernie4_5-moe", tf.Ernie4_5_MoeForCausalLM, tf.Ernie4_5_MoeConfig(
        **TWO, moe_num_experts=4, moe_k=2, moe_intermediate_size=32, moe_num_shared_experts=1, moe_layer_start_index=1)),
    "chatglm": ("chatglm", tf.GlmForCausalLM, tf.GlmConfig(**TWO_HEAD)),
    "glm4": ("glm4", tf.Glm4ForCausalLM, tf.Glm4Config(**TWO_HEAD)),
    "glm4moe": ("glm4moe", tf.Glm4MoeForCausalLM, tf.Glm4MoeConfig(**BY_SIGMOID, head_dim=16, use_qk_norm=True, attention_bias=True)),
    "dots1": ("dots1", tf.Dots1ForCausalLM, tf.Dots1Config(**BY_SIGMOID)),
    "minimax-m2": ("minimax-m2", tf.MiniMaxM2ForCausalLM, tf.MiniMaxM2Config(
        **HEAD_MOE, num_local_experts=4, rope_parameters=rope("default", partial_rotary_factor=0.5))),
    "hunyuan-dense": ("hunyuan-dense", tf.HunYuanDenseV1ForCausalLM, tf.HunYuanDenseV1Config(**TWO_HEAD)),
    "hunyuan-moe": ("hunyuan-moe", tf.HunYuanMoEV1ForCausalLM, tf.HunYuanMoEV1Config(**TWO_HEAD, num_experts=4, moe_topk=2)),
    "starcoder": ("starcoder", tf.GPTBigCodeForCausalLM, tf.GPTBigCodeConfig(
        vocab_size=VOCAB, n_layer=2, n_embd=32, n_head=2, n_positions=128, n_inner=64, bos_token_id=1, eos_token_id=2,
        attn_implementation="eager")),
    "codeshell": ("codeshell", tf.Starcoder2ForCausalLM, tf.Starcoder2Config(**TWO, sliding_window=None)),
    "mpt": ("mpt", tf.MptForCausalLM, tf.MptConfig(
        vocab_size=VOCAB, n_layers=2, d_model=32, n_heads=2, max_seq_len=128, attn_config=dict(clip_qkv=1.5, alibi=True))),
    "nemotron-h": ("nemotron_h", tf.NemotronHForCausalLM, tf.NemotronHConfig(
        vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        layers_block_type=["linear_attention", "mlp", "full_attention", "mlp"], mamba_num_heads=4, mamba_head_dim=16, n_groups=2,
        ssm_state_size=16, conv_kernel=4, attn_implementation="eager")),
    "mamba2": ("mamba2", tf.Mamba2ForCausalLM, tf.Mamba2Config(
        vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_heads=4, head_dim=16, n_groups=1, state_size=16, conv_kernel=4)),
    "lfm2": ("lfm2", tf.Lfm2ForCausalLM, tf.Lfm2Config(**CONV)),
    "lfm2moe": ("lfm2moe", tf.Lfm2MoeForCausalLM, tf.Lfm2MoeConfig(
        **dict(CONV, num_hidden_layers=2, layer_types=CONV["layer_types"][:2]), num_dense_layers=1, num_experts=4, num_experts_per_tok=2,
        moe_intermediate_size=32, use_expert_bias=True, norm_topk_prob=True, routed_scaling_factor=1.0)),
    "nemotron": ("nemotron", tf.NemotronForCausalLM, tf.NemotronConfig(**GROUPED)),
    "bloom": ("bloom", tf.BloomForCausalLM, tf.BloomConfig(
        vocab_size=VOCAB, n_layer=2, hidden_size=32, n_head=2, bos_token_id=1, eos_token_id=2, pad_token_id=0)),
}

TOP = {
    "embed_tokens": "token_embd", "wte": "token_embd", "embeddings": "token_embd", "embed_in": "token_embd", "word_embeddings": "token_embd",
    "wpe": "position_embd", "norm": "output_norm", "ln_f": "output_norm", "final_layer_norm": "output_norm",
    "final_layernorm": "output_norm", "norm_f": "output_norm", "embedding_norm": "token_embd_norm",
    "word_embeddings_layernorm": "token_embd_norm", "lm_head": "output",
}
PARTS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.dense": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "self_attn.sinks": "attn_sinks", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "attention.query_key_value": "attn_qkv", "attention.dense": "attn_output",
    "self_attention.query_key_value": "attn_qkv", "self_attention.dense": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
    "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
    "mlp.gate": "ffn_gate_inp", "mlp.router": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp", "mlp.shared_expert.up_proj": "ffn_up_shexp",
    "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mamba.in_proj": "ssm_in", "mamba.out_proj": "ssm_out", "mamba.conv1d": "ssm_conv1d", "mamba.norm": "ssm_norm",
    "mamba.dt_bias": "ssm_dt", "mamba.A_log": "ssm_a", "mamba.D": "ssm_d",
    "self_attn.q_a_proj": "attn_q_a", "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_b_proj": "attn_kv_b",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
    "self_attn.query_layernorm": "attn_q_norm", "self_attn.key_layernorm": "attn_k_norm", "mlp.gate.wg": "ffn_gate_inp",
    "mlp.shared_mlp.gate_proj": "ffn_gate_shexp", "mlp.shared_mlp.up_proj": "ffn_up_shexp", "mlp.shared_mlp.down_proj": "ffn_down_shexp",
    "ln_attn": "attn_norm_2", "ln_mlp": "attn_norm", "norm_1": "attn_norm", "norm_2": "ffn_norm", "attn.Wqkv": "attn_qkv",
    "attn.out_proj": "attn_output", "ffn.up_proj": "ffn_up", "ffn.down_proj": "ffn_down",
    "conv.in_proj": "shortconv.in_proj", "conv.conv": "shortconv.conv", "conv.out_proj": "shortconv.out_proj",
    "self_attn.out_proj": "attn_output", "self_attn.q_layernorm": "attn_q_norm", "self_attn.k_layernorm": "attn_k_norm",
    "mlp.w1": "ffn_gate", "mlp.w2": "ffn_down", "mlp.w3": "ffn_up", "operator_norm": "attn_norm", "ffn_norm": "ffn_norm",
    "norm": "attn_norm", "input_layernorm": "attn_norm", "ln_1": "attn_norm", "ln_2": "ffn_norm", "post_attention_layernorm": "ffn_norm",
}
SANDWICH = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
            "post_feedforward_layernorm": "post_ffw_norm"}
POST_ATTENTION = {"post_attention_layernorm": "post_attention_norm"}
OWN_PARTS = {"gemma2": SANDWICH, "gemma3": SANDWICH, "olmo2": SANDWICH, "exaone4": SANDWICH, "gpt-oss": POST_ATTENTION,
             "seed_oss": POST_ATTENTION, "glm4moe": POST_ATTENTION,
             "glm4": {"post_self_attn_layernorm": "post_attention_norm", "post_mlp_layernorm": "post_ffw_norm"}}
FUSED = ("qwen", "codeshell")  # GGUF keeps q, k and v as one tensor, transformers does not
ROUTED = ("lfm2moe", "ernie4_5-moe", "glm4moe", "dots1", "minimax-m2")
NEIGHBOURS = ("llama", "granite", "granitemoe", "granitehybrid", "smollm3", "internlm2", "xverse", "baichuan", "minicpm", "arcee")  # GGUF's order of q and k: RoPE pairs are neighbours


def permute(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def keeps_distance(arch, leaf, data):
    """GGUF keeps a norm's factors, these families their distance from one."""
    return data.ndim == 1 and leaf == "weight" and (arch.startswith("gemma") or arch == "nemotron")


def experts(arch, layer, part, data):
    """Gate and up of all experts are one tensor in transformers, two in GGUF."""
    if part.startswith("down_proj"):
        if arch == "gpt-oss" and data.ndim == 3:
            data = data.swapaxes(1, 2)
        return [(f"blk.{layer}.ffn_down_exps.{'bias' if part.endswith('bias') else 'weight'}", data)]
    leaf = "bias" if part.endswith("bias") else "weight"
    if arch == "gpt-oss":  # gate and up take turns along the last axis
        halves = [np.moveaxis(data[..., i::2], -1, 1) for i in (0, 1)]
    else:
        halves = np.split(data, 2, axis=1)
    return [(f"blk.{layer}.ffn_{kind}_exps.{leaf}", half) for kind, half in zip(("gate", "up"), halves)]


def tensors(arch, config, name, data):
    """What GGUF keeps for one tensor of transformers: (name, numbers)."""
    stem, leaf = name.rsplit(".", 1)
    found = re.search(r"\.(?:layers|h|blocks)\.(\d+)\.(.*)", stem + ("" if leaf in ("weight", "bias") else "." + leaf))
    if not found:
        return [(f"{TOP[stem.rsplit('.', 1)[-1]]}.{leaf}", data + 1 if keeps_distance(arch, leaf, data) else data)]
    layer, part = found.groups()
    part = part.replace("block_sparse_moe", "mlp").replace("feed_forward", "mlp")
    if part.startswith("mixer."):
        part = part.replace("mixer.", "mamba." if "mamba" in kind_of(config, int(layer)) else "self_attn." if "attention" in kind_of(config, int(layer)) else "mlp.")
    if part.startswith("mamba."):
        return [mamba(config, layer, part, leaf, data)]
    if part.startswith("shared_mlp."):  # gate and up are one tensor
        suffix = "_shexp" if config.num_local_experts else ""
        if part.endswith("output_linear"):
            return [(f"blk.{layer}.ffn_down{suffix}.weight", data)]
        return [(f"blk.{layer}.ffn_{kind}{suffix}.weight", half) for kind, half in zip(("gate", "up"), np.split(data, 2))]
    if part == "conv.conv" and data.ndim == 3:
        data = data[:, 0]
    if leaf in ("e_score_correction_bias", "expert_bias"):
        return [(f"blk.{layer}.exp_probs_b.bias", data.reshape(-1))]
    if part == "self_attn.kv_b_proj" and getattr(config, "splits_kv_b", False):
        keys, values = np.split(data.reshape(config.num_attention_heads, -1, data.shape[1]), [config.qk_nope_head_dim], axis=1)
        return [(f"blk.{layer}.attn_k_b.weight", keys.swapaxes(1, 2)), (f"blk.{layer}.attn_v_b.weight", values)]
    if part.startswith("mlp.experts."):
        return experts(arch, layer, part.split(".")[-1], data)
    if part == "mlp.shared_expert_gate":
        data = data[0]
    if arch == "gpt2" and data.ndim == 2:
        data = data.T
    heads = get(config, "num_attention_heads")
    if arch == "falcon" and config.new_decoder_architecture and "query_key_value" in part:  # queries of a group, their key, their value
        data = data.reshape(config.num_kv_heads, heads // config.num_kv_heads + 2, -1, *data.shape[1:])
        data = np.concatenate([x.reshape(-1, *data.shape[3:]) for x in (data[:, :-2], data[:, -2], data[:, -1])])
    if arch in ("gptneox", "bloom") and "query_key_value" in part:  # q, k and v of one head after those of another
        data = data.reshape(heads, 3, data.shape[0] // heads // 3, *data.shape[1:]).swapaxes(0, 1).reshape(data.shape)
    if arch in NEIGHBOURS and part in ("self_attn.q_proj", "self_attn.k_proj"):
        data = permute(data, heads if part[10] == "q" else config.num_key_value_heads)
    if keeps_distance(arch, leaf, data):
        data = data + 1
    leaf = leaf if leaf in ("weight", "bias") else "weight"
    return [(f"blk.{layer}.{(PARTS | OWN_PARTS.get(arch, {}))[part]}.{leaf}", data)]


def mamba(config, layer, part, leaf, data):
    if part == "mamba.conv1d" and leaf == "weight":
        data = data[:, 0]
    if part == "mamba.A_log":
        data = -np.exp(data)
    if part in ("mamba.A_log", "mamba.D"):
        return f"blk.{layer}.{PARTS[part]}", data.reshape(-1, 1)
    if part == "mamba.norm":
        data = data.reshape(get(config, "mamba_n_groups", "n_groups"), -1)
    return f"blk.{layer}.{PARTS[part]}.{'bias' if part == 'mamba.dt_bias' else leaf}", data


def kind_of(config, layer):
    """Of a block that is one thing only."""
    kinds = getattr(config, "layers_block_type", None)
    return kinds[layer].replace("linear_attention", "mamba") if kinds else "mamba"


def get(config, *names):
    return next((value for n in names if (value := getattr(config, n, None)) is not None), None)


def llama3_factors(p, dims):
    """Llama 3.1's factors, as its converter computes them."""
    factors = []
    for i in range(dims // 2):
        wave = 2 * math.pi * p["rope_theta"] ** (2 * i / dims)
        low, high = (p["original_max_position_embeddings"] / p[k] for k in ("low_freq_factor", "high_freq_factor"))
        smooth = (p["original_max_position_embeddings"] / wave - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"])
        factors.append(1.0 if wave < high else p["factor"] if wave > low else 1 / ((1 - smooth) / p["factor"] + smooth))
    return np.array(factors, np.float32)


def write_rope(w, arch, config):
    p = getattr(config, "rope_parameters", None) or {}
    p = p.get("full_attention") or p
    if not p:
        return
    dims = int(16 * p.get("partial_rotary_factor", 1.0))
    w.add_rope_freq_base(p["rope_theta"])
    w.add_rope_dimension_count(dims)
    kind = p.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        w.add_string(f"{arch}.rope.scaling.type", kind)
        w.add_float32(f"{arch}.rope.scaling.factor", p["factor"])
    if "original_max_position_embeddings" in p:
        w.add_uint32(f"{arch}.rope.scaling.original_context_length", p["original_max_position_embeddings"])
    if kind == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_factors(p, dims))
    if kind == "longrope":
        original = p["original_max_position_embeddings"]
        w.add_float32(f"{arch}.rope.scaling.attn_factor", math.sqrt(1 + math.log(128 / original) / math.log(original)))
        for which in ("long", "short"):
            w.add_tensor(f"rope_factors_{which}.weight", np.array(p[f"{which}_factor"], np.float32))


def write_scales(w, arch, config):
    if arch.startswith("granite"):
        w.add_float32(f"{arch}.embedding_scale", config.embedding_multiplier)
        w.add_float32(f"{arch}.residual_scale", config.residual_multiplier)
        w.add_float32(f"{arch}.attention.scale", config.attention_multiplier)
        w.add_float32(f"{arch}.logit_scale", config.logits_scaling)
    if arch == "minicpm":
        w.add_float32("minicpm.embedding_scale", config.embedding_multiplier)
        w.add_float32("minicpm.residual_scale", config.residual_multiplier)
        w.add_float32("minicpm.logit_scale", config.logits_scaling)
    if arch == "mpt":
        w.add_clamp_kqv(config.attn_config.clip_qkv)
        w.add_max_alibi_bias(config.attn_config.alibi_bias_max)
    if arch in ("command-r", "cohere2"):
        w.add_float32(f"{arch}.logit_scale", config.logit_scale)
    if arch == "gemma2":
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
    if (window := get(config, "sliding_window")) and window < 128:
        w.add_sliding_window(window)
        if arch in ("exaone4", "olmo2"):
            w.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])


def write_mamba(w, config):
    heads = get(config, "mamba_n_heads", "mamba_num_heads", "num_heads")
    w.add_ssm_conv_kernel(get(config, "mamba_d_conv", "conv_kernel"))
    w.add_ssm_inner_size(heads * get(config, "mamba_d_head", "mamba_head_dim", "head_dim"))
    w.add_ssm_state_size(get(config, "mamba_d_state", "ssm_state_size", "state_size"))
    w.add_ssm_time_step_rank(heads)
    w.add_ssm_group_count(get(config, "mamba_n_groups", "n_groups"))
    if position := get(config, "position_embedding_type"):
        w.add_bool("granitehybrid.rope.scaling.finetuned", position == "rope")


def write_latent(w, config):
    splits = getattr(config, "splits_kv_b", False)
    w.add_kv_lora_rank(config.kv_lora_rank)
    key, value = config.qk_nope_head_dim + config.qk_rope_head_dim, config.v_head_dim
    w.add_key_length(config.kv_lora_rank + config.qk_rope_head_dim if splits else key)
    w.add_value_length(config.kv_lora_rank if splits else value)
    if splits:
        w.add_key_length_mla(key)
        w.add_value_length_mla(value)
    if config.q_lora_rank:
        w.add_q_lora_rank(config.q_lora_rank)
    write_router(w, config)
    if mscale := config.rope_parameters.get("mscale_all_dim"):
        w.add_rope_scaling_yarn_log_mul(0.1 * mscale)


def write_router(w, config):
    if dense := get(config, "first_k_dense_replace", "moe_layer_start_index", "num_dense_layers"):
        w.add_leading_dense_block_count(dense)
    if shared := get(config, "n_shared_experts", "moe_num_shared_experts"):
        w.add_expert_shared_count(shared)
    if scale := get(config, "routed_scaling_factor"):
        w.add_expert_weights_scale(scale)
    if (get(config, "n_group") or 1) > 1:
        w.add_expert_group_count(config.n_group)
        w.add_expert_group_used_count(config.topk_group)
    if get(config, "norm_topk_prob"):
        w.add_expert_weights_norm(True)
    if config.model_type in ("lfm2_moe", "deepseek_v3", "glm4_moe", "dots1", "minimax_m2"):
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)


def write_experts(w, arch, config):
    if not (count := get(config, "num_local_experts", "num_experts", "n_routed_experts")) or config.model_type == "hunyuan_v1_dense":
        return
    w.add_expert_count(count)
    w.add_expert_used_count(get(config, "num_experts_per_tok", "moe_topk", "moe_k"))
    if arch in ROUTED:
        write_router(w, config)
    if ffn := get(config, "moe_intermediate_size"):
        w.add_expert_feed_forward_length(ffn)
    if arch == "hunyuan-moe":
        w.add_expert_feed_forward_length(config.intermediate_size)
        w.add_expert_shared_feed_forward_length(config.intermediate_size)
    if shared := get(config, "shared_expert_intermediate_size", "shared_intermediate_size"):
        w.add_expert_shared_feed_forward_length(shared)


def feed_forward_length(arch, config):
    if arch == "granitehybrid" and not config.num_local_experts:
        return config.shared_intermediate_size
    if arch in ("mpt", "bloom"):
        return 4 * config.hidden_size
    if arch == "mamba2":
        return 0
    if arch == "nemotron_h":
        return [config.intermediate_size if kind == "mlp" else 0 for kind in config.layers_block_type]
    return (2 if arch == "qwen" else 1) * get(config, "n_inner", "ffn_hidden_size", "intermediate_size")


def fused(arch, found):
    """q, k and v of every layer as one, where GGUF keeps them so."""
    for name in [n for n in found if arch in FUSED and ".attn_q." in n]:
        parts = [found.pop(name.replace("attn_q", f"attn_{x}")) for x in "qkv"]
        found[name.replace("attn_q", "attn_qkv")] = np.concatenate(parts)
    return found


def write_weights(name, arch, model, config):
    w = gguf.GGUFWriter(OUT / f"{name}.gguf", arch)
    w.add_context_length(64 if name == "short-rope" else 128)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(feed_forward_length(arch, config))
    w.add_head_count(get(config, "num_attention_heads") or 0)
    kv_heads = 1 if arch == "starcoder" else (config.num_kv_heads if config.new_decoder_architecture else 1) if arch == "falcon" else get(config, "num_key_value_heads", "num_attention_heads")
    if arch == "granitehybrid":
        write_mamba(w, config)
        kv_heads = [0 if kind == "linear_attention" else kv_heads for kind in config.layer_types]
    if arch.startswith("lfm2"):
        w.add_shortconv_l_cache(config.conv_L_cache)
        kv_heads = [0 if kind == "conv" else kv_heads for kind in config.layer_types]
    if arch in ("nemotron_h", "mamba2"):
        write_mamba(w, config)
    if arch == "nemotron_h":
        kv_heads = [config.num_key_value_heads if kind == "full_attention" else 0 for kind in config.layers_block_type]
    if arch != "mamba2":
        w.add_head_count_kv(1 if getattr(config, "splits_kv_b", False) else kv_heads)
    if arch == "deepseek2":
        write_latent(w, config)
    elif arch == "minicpm3":  # the converter writes no value_length
        w.add_q_lora_rank(config.q_lora_rank)
        w.add_kv_lora_rank(config.kv_lora_rank)
        w.add_key_length(config.qk_nope_head_dim + config.qk_rope_head_dim)
    elif arch != "mamba2":
        w.add_key_length(16)
        w.add_value_length(16)
    if eps := get(config, "rms_norm_eps") or (arch.startswith("lfm2") and config.norm_eps):
        w.add_layer_norm_rms_eps(eps)
    else:
        w.add_layer_norm_eps(get(config, "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"))
    write_rope(w, arch, config)
    w.add_vocab_size(VOCAB)
    write_scales(w, arch, config)
    if arch != "nemotron_h":
        write_experts(w, arch, config)
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    found = {}
    for key, tensor in model.state_dict().items():
        if key != "lm_head.weight" or not tied:
            found |= tensors(arch, config, key, tensor.numpy().astype(np.float32))
    for tensor_name, data in fused(arch, found).items():
        w.add_tensor(tensor_name, np.ascontiguousarray(data))
    finish(w)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_expected(name, arch, model):
    tokens = torch.randint(0, VOCAB, (1, TOKENS), generator=torch.Generator().manual_seed(7))
    seen = {}
    base = model.base_model
    layers = next(getattr(base, n) for n in ("h", "layers", "blocks") if hasattr(base, n))
    norm = next(getattr(base, n) for n in ("norm", "ln_f", "norm_f", "embedding_norm", "final_layer_norm", "final_layernorm") if hasattr(base, n))
    # The first block's input: after positions and scales.
    layers[0].register_forward_pre_hook(lambda m, args, kw: seen.__setitem__("embed", args[0] if args else kw["hidden_states"]),
                                        with_kwargs=True)
    for n, layer in enumerate(layers):
        layer.register_forward_hook(lambda m, i, o, n=n: seen.__setitem__(f"layer.{n}", o[0] if isinstance(o, tuple) else o))
    norm.register_forward_hook(lambda m, i, o: seen.__setitem__("norm", o))
    with torch.no_grad():
        logits = model(tokens).logits
    w = gguf.GGUFWriter(OUT / f"{name}.expected.gguf", arch)
    w.add_tensor("tokens", tokens[0].numpy().astype(np.int32))
    for key, value in seen.items():
        w.add_tensor(key, value.reshape(TOKENS, -1).numpy().astype(np.float32))
    w.add_tensor("logits", logits[0].numpy().astype(np.float32))
    finish(w)


def main(names):
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names or MODELS:
        arch, cls, config = MODELS[name]
        torch.manual_seed(1)
        model = cls(config).eval()
        with torch.no_grad():
            for key, p in model.named_parameters():  # norms and biases must matter, too
                if p.ndim == 1 or re.search("[qk]_norm|e_score", key):
                    p.add_(0.2 * torch.randn_like(p))
                else:
                    p.mul_(4)
            for buffer, b in model.named_buffers():
                if buffer.endswith(("e_score_correction_bias", "expert_bias")):
                    b.add_(0.2 * torch.randn_like(b))
        write_weights(name, arch, model, config)
        write_expected(name, arch, model)
        print(name, (OUT / f"{name}.gguf").stat().st_size, "bytes")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
