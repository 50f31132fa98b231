// onnx.cc -- a protobuf reader of four messages. Lengths are checked against what is left before anything is made.
#include "formats/onnx.h"

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "formats/byte_reader.h"

namespace heed {
namespace {

constexpr std::size_t kMostGraphs = 16;
constexpr std::size_t kMostDims = 8;
constexpr std::size_t kMostFew = 64;  // numbers of a tensor kept as a list: scales and zero points

Error wrong(const std::string& what, std::size_t at) {
  return fail(Code::malformed, "onnx: " + what + ", at byte " + std::to_string(at));
}

/// What the lists may take: as much as the file and 16 MiB. A vector that grows holds what it had, and twice that.
class ListRoom {
 public:
  explicit ListRoom(std::size_t file_bytes) : left_(file_bytes + (std::size_t{16} << 20)) {}

  Expected<void> take(std::size_t bytes, std::size_t at) {
    if (bytes > left_)
      return fail(Code::too_long, "onnx: its lists would take more memory than the file's size + 16 MiB, at byte " +
                                      std::to_string(at));
    left_ -= bytes;
    return {};
  }

  static constexpr std::size_t kNode = 3 * sizeof(OnnxNode), kInput = 3 * sizeof(std::string_view);
  static constexpr std::size_t kTensor = sizeof(std::pair<std::string_view, OnnxTensor>) + 128;  // in a map, its dims

 private:
  std::size_t left_;
};

/// One field of a message: its number, and a varint, 4 or 8 bytes, or a stretch of bytes.
struct Field {
  std::uint64_t number = 0, value = 0;
  std::span<const std::byte> bytes;
  bool is_bytes = false;
};

/// The fields of one message, one after another.
class Fields {
 public:
  /// `base`: where the message begins in the file, for errors.
  Fields(std::span<const std::byte> message, std::size_t base) : message_(message), base_(base) {}

  bool done() const noexcept { return at_ == message_.size(); }
  std::size_t at() const noexcept { return base_ + at_; }

  Expected<Field> next() {
    HEED_ASSIGN(const std::uint64_t key, varint());
    Field field{.number = key >> 3};
    switch (key & 7) {
      case 0: {
        HEED_ASSIGN(field.value, varint());
        return field;
      }
      case 1:
        return fixed(field, 8);
      case 5:
        return fixed(field, 4);
      case 2: {
        HEED_ASSIGN(const std::uint64_t length, varint());
        HEED_ASSIGN(field.bytes, take(length));
        field.is_bytes = true;
        return field;
      }
      default:
        return wrong("wire type " + std::to_string(key & 7) + " is not of protobuf 3", at());
    }
  }

  Expected<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (done()) return wrong("a number is cut off", at());
      const auto byte = static_cast<std::uint64_t>(message_[at_++]);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    return wrong("a number has more than 10 bytes", at());
  }

 private:
  Expected<std::span<const std::byte>> take(std::uint64_t length) {
    if (length > message_.size() - at_)
      return wrong("a field of " + std::to_string(length) + " bytes passes the end of its message", at());
    const auto bytes = message_.subspan(at_, static_cast<std::size_t>(length));
    at_ += bytes.size();
    return bytes;
  }

  Expected<Field> fixed(Field field, std::size_t length) {
    HEED_ASSIGN(const auto bytes, take(length));
    std::memcpy(&field.value, bytes.data(), length);
    return field;
  }

  std::span<const std::byte> message_;
  std::size_t base_, at_ = 0;
};

std::string_view text_of(const Field& field) {
  return {reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size()};
}

std::size_t begin_of(const Field& field, const Fields& fields) { return fields.at() - field.bytes.size(); }

Expected<OnnxNode> read_node(std::span<const std::byte> message, std::size_t base, ListRoom& room) {
  HEED_TRY(room.take(ListRoom::kNode, base));
  OnnxNode node;
  for (Fields fields(message, base); !fields.done();) {
    HEED_ASSIGN(const Field field, fields.next());
    if (!field.is_bytes) continue;
    if (field.number == 1) {
      HEED_TRY(room.take(ListRoom::kInput, base));
      node.inputs.push_back(text_of(field));
    }
    if (field.number == 3) node.name = text_of(field);
    if (field.number == 4) node.op = text_of(field);
  }
  return node;
}

// Numbers that stand one by one, or packed: int32 values (zero points) and floats (scales).
struct FewNumbers {
  std::vector<std::byte> floats;  // as they are
  std::vector<std::byte> bytes;   // the low byte of each integer

  Expected<void> add(const Field& field, std::size_t at) {
    if (field.number == 4) return add_floats(field, at);
    if (!field.is_bytes) return add_integer(field.value, at);
    for (Fields packed(field.bytes, at - field.bytes.size()); !packed.done();) {
      HEED_ASSIGN(const std::uint64_t value, packed.varint());
      HEED_TRY(add_integer(value, at));
    }
    return {};
  }

 private:
  Expected<void> add_floats(const Field& field, std::size_t at) {
    const auto added = field.is_bytes ? field.bytes : std::as_bytes(std::span(&field.value, 1)).first(sizeof(float));
    if (floats.size() + added.size() > kMostFew * sizeof(float)) return wrong("a list of numbers is too long", at);
    floats.insert(floats.end(), added.begin(), added.end());
    return {};
  }

  Expected<void> add_integer(std::uint64_t value, std::size_t at) {
    if (bytes.size() == kMostFew) return wrong("a list of numbers is too long", at);
    bytes.push_back(static_cast<std::byte>(value & 255));
    return {};
  }
};

struct RawTensor {
  std::string_view name;
  std::uint64_t type = 0;
  OnnxTensor tensor;
  FewNumbers few;
  bool is_elsewhere = false;
};

Expected<void> add_dim(RawTensor& raw, std::uint64_t value, std::size_t at) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32;
  if (value > kMost || raw.tensor.dims.size() == kMostDims) return wrong("impossible dimensions", at);
  raw.tensor.dims.push_back(static_cast<std::int64_t>(value));
  return {};
}

Expected<void> read_tensor_field(RawTensor& raw, const Field& field, std::size_t at) {
  switch (field.number) {
    case 1:
      if (!field.is_bytes) return add_dim(raw, field.value, at);
      for (Fields packed(field.bytes, at - field.bytes.size()); !packed.done();) {
        HEED_ASSIGN(const std::uint64_t value, packed.varint());
        HEED_TRY(add_dim(raw, value, at));
      }
      return {};
    case 2:
      raw.type = field.value;
      return {};
    case 4:
    case 5:
      return raw.type == 1 || raw.type == 2 || raw.type == 3 ? raw.few.add(field, at) : Expected<void>{};
    case 8:
      raw.name = text_of(field);
      return {};
    case 9:
      raw.tensor.data = field.bytes;
      return {};
    case 14:
      raw.is_elsewhere = field.value != 0;
      return {};
    default:
      return {};
  }
}

bool is_weight(const RawTensor& raw) { return raw.type >= 1 && raw.type <= 3; }

Expected<void> finish(RawTensor& raw, std::size_t at) {
  const std::string name = "tensor '" + printable(raw.name) + "'";
  if (raw.is_elsewhere)
    return fail(Code::unsupported, "onnx: " + name + " is kept in another file", std::string(raw.name));
  OnnxTensor& t = raw.tensor;
  t.type = static_cast<OnnxType>(raw.type);
  if (t.data.empty()) {
    t.few = t.type == OnnxType::f32 ? std::move(raw.few.floats) : std::move(raw.few.bytes);
    t.data = t.few;
  }
  std::uint64_t bytes = t.type == OnnxType::f32 ? sizeof(float) : 1;
  for (const std::int64_t d : t.dims) {
    if (d != 0 && bytes > (std::uint64_t{1} << 40) / static_cast<std::uint64_t>(d))
      return wrong(name + " has impossible dimensions", at);
    bytes *= static_cast<std::uint64_t>(d);
  }
  if (bytes != t.data.size())
    return wrong(name + " needs " + std::to_string(bytes) + " bytes, the file has " + std::to_string(t.data.size()),
                 at);
  return {};
}

Expected<void> read_tensor(std::span<const std::byte> message, std::size_t base, ListRoom& room, OnnxGraph& out) {
  RawTensor raw;
  for (Fields fields(message, base); !fields.done();) {
    HEED_ASSIGN(const Field field, fields.next());
    HEED_TRY(read_tensor_field(raw, field, fields.at()));
  }
  if (!is_weight(raw)) return {};
  HEED_TRY(finish(raw, base));
  HEED_TRY(room.take(ListRoom::kTensor, base));
  const auto [place, is_new] = out.tensors.emplace(raw.name, std::move(raw.tensor));
  if (!is_new) return wrong("tensor '" + printable(raw.name) + "' appears twice", base);
  if (!place->second.few.empty()) place->second.data = place->second.few;
  return {};
}

Expected<void> read_graph(std::span<const std::byte> message, std::size_t base, ListRoom& room, OnnxGraph& out) {
  for (Fields fields(message, base); !fields.done();) {
    HEED_ASSIGN(const Field field, fields.next());
    if (!field.is_bytes) continue;
    if (field.number == 1) {
      HEED_ASSIGN(OnnxNode node, read_node(field.bytes, begin_of(field, fields), room));
      out.nodes.push_back(std::move(node));
    }
    if (field.number == 5) HEED_TRY(read_tensor(field.bytes, begin_of(field, fields), room, out));
  }
  return {};
}

}  // namespace

std::int64_t OnnxTensor::values() const noexcept {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

Expected<OnnxFile> parse_onnx(std::span<const std::byte> bytes) try {
  OnnxFile out;
  ListRoom room(bytes.size());
  for (Fields fields(bytes, 0); !fields.done();) {
    if (bytes[fields.at()] == std::byte{'{'}) {
      out.rest = bytes.subspan(fields.at());
      break;
    }
    HEED_ASSIGN(const Field field, fields.next());
    if (field.number != 7 || !field.is_bytes) continue;
    if (out.graphs.size() == kMostGraphs) return wrong("more than 16 graphs", fields.at());
    out.graphs.emplace_back();
    HEED_TRY(read_graph(field.bytes, begin_of(field, fields), room, out.graphs.back()));
  }
  if (out.graphs.empty()) return fail(Code::malformed, "onnx: there is no graph in the file");
  return out;
} catch (const std::bad_alloc&) {
  return fail(Code::out_of_memory, "onnx: not enough memory for the graph");
}

}  // namespace heed
