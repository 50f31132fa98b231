// onnx_test.cc -- nodes and initializers out of protobuf, and every way such a file can lie.
#include "formats/onnx.h"

#include <gtest/gtest.h>

#include "tests/unit/formats/onnx_builder.h"

namespace heed {
namespace {

using namespace onnx_file;

std::span<const std::byte> view(const std::string& s) { return std::as_bytes(std::span(s)); }

void expect_error(const std::string& file, Code code, const std::string& text) {
  const auto graph = parse_onnx(view(file));
  ASSERT_FALSE(graph) << text;
  EXPECT_EQ(graph.error().code, code);
  EXPECT_NE(graph.error().text.find(text), std::string::npos) << graph.error().text;
}

TEST(Onnx, NodesAndWeights) {
  const std::string scale = bytes(5, number(2, 1) + bytes(4, std::string("\0\0\0\x3f", 4)) + bytes(8, "w_scale"));
  const std::string zero = bytes(5, number(2, 3) + number(5, 0) + bytes(8, "w_zero_point"));
  const std::string other = bytes(5, number(1, 1) + number(2, 7) + bytes(8, "shape") + bytes(9, "12345678"));
  const std::string file =
      model(node("MatMulInteger", "/q/MatMul", "x", "w") + raw_tensor("w", {2, 3}, 3, "abcdef") + scale + zero + other);
  const auto parsed = parse_onnx(view(file));
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_TRUE(parsed->rest.empty());
  const OnnxGraph* graph = &parsed->graphs.at(0);
  ASSERT_EQ(graph->nodes.size(), 1u);
  EXPECT_EQ(graph->nodes[0].name, "/q/MatMul");
  EXPECT_EQ(graph->nodes[0].op, "MatMulInteger");
  EXPECT_EQ(graph->nodes[0].inputs, (std::vector<std::string_view>{"x", "w"}));
  EXPECT_EQ(graph->tensors.size(), 3u) << "integers that are no weights are left out";
  const OnnxTensor& w = graph->tensors.at("w");
  EXPECT_EQ(w.dims, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(w.type, OnnxType::i8);
  EXPECT_EQ(static_cast<char>(w.data[5]), 'f');
  const OnnxTensor& s = graph->tensors.at("w_scale");
  ASSERT_EQ(s.data.size(), 4u);
  EXPECT_EQ(static_cast<unsigned char>(s.data[3]), 0x3f);
  EXPECT_EQ(graph->tensors.at("w_zero_point").data.size(), 1u);
}

TEST(Onnx, ModelsAndATextMayStandOneBehindAnother) {
  const std::string file = model(node("MatMul", "a", "x", "w")) + model(node("MatMul", "b", "x", "w")) + "{text}";
  const auto parsed = parse_onnx(view(file));
  ASSERT_TRUE(parsed) << parsed.error().text;
  ASSERT_EQ(parsed->graphs.size(), 2u);
  EXPECT_EQ(parsed->graphs[1].nodes.at(0).name, "b");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(parsed->rest.data()), parsed->rest.size()), "{text}");
}

TEST(Onnx, TruncatedAtEveryByteIsAnErrorOrLess) {
  const std::string file = model(node("MatMul", "n", "x", "w") + raw_tensor("w", {2, 3}, 3, "abcdef"));
  ASSERT_TRUE(parse_onnx(view(file)));
  for (std::size_t n = 0; n < file.size(); ++n) {
    const std::string cut = file.substr(0, n);
    EXPECT_FALSE(parse_onnx(view(cut))) << n;
  }
}

TEST(Onnx, EveryMalformedClassHasItsError) {
  expect_error("", Code::malformed, "no graph");
  expect_error("{}", Code::malformed, "no graph");
  std::string nodes;  // two bytes each
  for (int i = 0; i < 1 << 20; ++i) nodes += bytes(1, "");
  expect_error(model(nodes), Code::too_long, "more memory than the file's size");
  std::string many;
  for (int i = 0; i < 17; ++i) many += model("");
  expect_error(many, Code::malformed, "more than 16");
  expect_error(std::string("\x73", 1), Code::malformed, "wire type 3");
  expect_error(std::string(11, '\xff'), Code::malformed, "more than 10 bytes");
  expect_error(model(raw_tensor("w", {2, 3}, 3, "abcde")), Code::malformed, "needs 6 bytes, the file has 5");
  expect_error(model(raw_tensor("w", {1}, 3, "a") + raw_tensor("w", {1}, 3, "a")), Code::malformed, "appears twice");
  expect_error(model(raw_tensor("w", {std::uint64_t{1} << 60}, 3, "a")), Code::malformed, "impossible dimensions");
  const std::uint64_t big = std::uint64_t{1} << 32;
  expect_error(model(raw_tensor("w", {big, big, big}, 3, "a")), Code::malformed, "impossible dimensions");
  expect_error(model(raw_tensor("w", std::vector<std::uint64_t>(9, 1), 3, "a")), Code::malformed, "impossible");
  expect_error(model(bytes(5, number(2, 3) + bytes(8, "w") + number(14, 1))), Code::unsupported, "another file");
  expect_error(model(bytes(5, number(2, 3) + bytes(5, std::string(65, 1)) + bytes(8, "w"))), Code::malformed,
               "too long");
}

}  // namespace
}  // namespace heed
