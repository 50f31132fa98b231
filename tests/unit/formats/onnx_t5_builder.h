// onnx_t5_builder.h -- a T5 of one block a stack, as ONNX exporters write it.
#pragma once
#include <cstdint>
#include <string>

#include "tests/unit/formats/onnx_builder.h"

namespace heed::onnx_file {

inline constexpr int kDim = 32, kWide = 64;

// value (in, out) = in + out, as one byte each.
inline std::string matrix(int in, int out) {
  std::string data;
  for (int i = 0; i < in; ++i)
    for (int o = 0; o < out; ++o) data += static_cast<char>(i + o);
  return data;
}

inline std::string with_scale(const std::string& name, const std::string& tensor, int type, int zero) {
  const std::string half("\0\0\0\x3f", 4);  // 0.5f
  return tensor + bytes(5, number(2, 1) + bytes(4, half) + bytes(8, name + "_scale")) +
         bytes(5, number(2, static_cast<std::uint64_t>(type)) + number(5, static_cast<std::uint64_t>(zero)) +
                      bytes(8, name + "_zero_point"));
}

inline std::string product(const std::string& module, int in, int out) {
  const std::string name = "onnx::" + module;
  return node("MatMulInteger", module + "/MatMul_quant", "x", name + "_quantized") +
         with_scale(name, raw_tensor(name + "_quantized", {std::uint64_t(in), std::uint64_t(out)}, 3, matrix(in, out)),
                    3, 0);
}

inline std::string attention(const std::string& module) {
  std::string out;
  for (const char* part : {"/q", "/k", "/v", "/o"}) out += product(module + part, kDim, kDim);
  return out;
}

inline std::string norm(const std::string& name) {
  return raw_tensor(name + ".weight", {kDim}, 1, std::string(kDim * 4, '\0'));
}

inline std::string t5_stack(const std::string& root, bool is_decoder) {
  const std::string block = "/" + root + "/block.0", points = root + ".block.0.layer.";
  const std::string last = is_decoder ? "2" : "1", table = points + "0.SelfAttention.relative_attention_bias.weight";
  std::string g =
      attention(block + "/layer.0/SelfAttention") + norm(points + "0.layer_norm") + norm(points + "1.layer_norm");
  if (is_decoder) g += attention(block + "/layer.1/EncDecAttention") + norm(points + "2.layer_norm");
  for (const char* part : {"/wi_0", "/wi_1"})
    g += product(block + "/layer." + last + "/DenseReluDense" + part, kDim, kWide);
  g += product(block + "/layer." + last + "/DenseReluDense/wo", kWide, kDim);
  g += with_scale(table, raw_tensor(table + "_quantized", {8, 2}, 2, std::string(16, '\x05')), 2, 3);
  if (is_decoder) g += product("/lm_head", kDim, 40);
  const std::string tokens = root + ".embed_tokens.weight";
  g += with_scale(tokens, raw_tensor(tokens + "_quantized", {40, kDim}, 2, std::string(40 * kDim, '\x08')), 2, 6);
  return model(g + norm(root + ".final_layer_norm"));
}

}  // namespace heed::onnx_file
