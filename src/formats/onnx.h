// onnx.h -- the nodes and initializers of an ONNX graph: enough to find a model's weights, nothing that runs one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace heed {

/// TensorProto.DataType, those that weights come in.
enum class OnnxType : std::int32_t { f32 = 1, u8 = 2, i8 = 3 };

/// An initializer of type f32, u8 or i8; others are left out. Views live as long as the bytes.
struct OnnxTensor {
  OnnxType type = OnnxType::f32;
  std::vector<std::int64_t> dims;        // outermost first; empty: one number
  std::span<const std::byte> data;       // little-endian, [product of dims]
  std::vector<std::byte> few;            // what `data` views when the file keeps small tensors as lists of numbers
  std::int64_t values() const noexcept;  // product of dims
};

struct OnnxNode {
  std::string_view name, op;
  std::vector<std::string_view> inputs;
};

struct OnnxGraph {
  std::vector<OnnxNode> nodes;                     // in file order
  std::map<std::string_view, OnnxTensor> tensors;  // by name
};

/// Models, one behind another, and what follows them: text that begins with '{', which no field of a model does.
struct OnnxFile {
  std::vector<OnnxGraph> graphs;  // at least one
  std::span<const std::byte> rest;
};

/// Reads the protobuf messages ModelProto, GraphProto, NodeProto and TensorProto (onnx.proto of ONNX 1.17); everything
/// else is passed over. Errors: malformed, by message and byte; unsupported for weights kept in other files; too_long
/// for lists that would take more memory than the file's size + 16 MiB.
Expected<OnnxFile> parse_onnx(std::span<const std::byte> bytes);

}  // namespace heed
