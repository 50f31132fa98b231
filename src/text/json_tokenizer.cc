// json_tokenizer.cc -- the file's vocabulary and added tokens become the metadata that every tokenizer is read from;
// the other parts are steps of encode and decode.
#include "text/json_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "formats/tokenizer_json.h"
#include "text/added_tokens.h"
#include "text/byte_tokens.h"
#include "text/normalizer.h"
#include "text/piece_list.h"
#include "text/piece_model.h"
#include "text/piece_splitter.h"
#include "text/post_processor.h"
#include "text/token_decoder.h"
#include "text/tokenizer_base.h"
#include "text/utf8.h"

namespace heed {
namespace {

enum Type : std::int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

/// Token id -> spelling and type, as the metadata of a GGUF file has them.
struct TokenTable {
  std::vector<std::string_view> spelled;
  std::vector<std::int64_t> types;
};

Error malformed(const std::string& what) { return fail(Code::malformed, "tokenizer.json: " + what, "tokenizer.json"); }

/// As many ids as tokens, or a few more: holes stay unused.
Expected<void> make_room(TokenTable& table, double id, std::size_t tokens) {
  const double most = static_cast<double>(tokens) * 2 + 65536;
  if (id != std::floor(id) || id < 0 || id > most)
    return malformed("model.vocab: expected ids from 0 to " + std::to_string(static_cast<std::int64_t>(most)) +
                     " for " + std::to_string(tokens) + " tokens, got " + std::to_string(id));
  const std::size_t size = static_cast<std::size_t>(id) + 1;
  if (size <= table.spelled.size()) return {};
  table.spelled.resize(size);
  table.types.resize(size, kUnused);
  return {};
}

Expected<void> place(TokenTable& table, std::size_t id, std::string_view spelled, std::int64_t type) {
  if (table.types[id] != kUnused)
    return malformed("expected an id for each token, got " + std::to_string(id) + " for '" +
                     std::string(table.spelled[id]) + "' and '" + std::string(spelled) + "'");
  table.spelled[id] = spelled;
  table.types[id] = type;
  return {};
}

Expected<TokenTable> read_table(const TokenizerJson& file, const std::vector<AddedToken>& added, bool has_bytes) {
  TokenTable table;
  const std::size_t count = file.tokens.size() + added.size();
  for (std::size_t i = 0; i < file.tokens.size(); ++i) {
    const double id = file.has_scores ? static_cast<double>(i) : file.numbers[i];
    if (file.has_scores && !std::isfinite(file.numbers[i]))
      return malformed("model.vocab: entry " + std::to_string(i) + ": expected a finite score");
    HEED_TRY(make_room(table, id, count));
    const bool is_byte = has_bytes && byte_spelled(file.tokens[i]) >= 0;
    HEED_TRY(place(table, static_cast<std::size_t>(id), file.tokens[i], is_byte ? kByte : kNormal));
  }
  for (const AddedToken& token : added) {
    HEED_TRY(make_room(table, token.id, count));
    const auto id = static_cast<std::size_t>(token.id);
    if (table.spelled[id] != token.content) HEED_TRY(place(table, id, token.content, kUserDefined));
    table.types[id] = token.is_special ? kControl : kUserDefined;
  }
  return table;
}

/// Text that has no token becomes this one, control token or not.
Expected<void> mark_unknown(TokenTable& table, const JsonPart& model) {
  HEED_ASSIGN(const std::string spelled, model.text("unk_token", {}));
  HEED_ASSIGN(const std::int64_t id, model.integer("unk_id", -1, static_cast<std::int64_t>(table.spelled.size()) - 1));
  for (std::size_t i = 0; i < table.spelled.size(); ++i) {
    const bool is_unknown = static_cast<std::int64_t>(i) == id || (!spelled.empty() && table.spelled[i] == spelled);
    if (is_unknown && table.types[i] != kUnused) table.types[i] = kUnknown;
  }
  return {};
}

Metadata metadata_of(const TokenTable& table) {
  TextList spelled;
  for (const std::string_view text : table.spelled) spelled.push_back(text);
  Metadata out;
  out.insert("tokenizer.ggml.tokens", MetaArray(std::move(spelled)));
  out.insert("tokenizer.ggml.token_type", MetaArray(table.types));
  return out;
}

/// Of two equal spellings only one could be found.
Expected<void> check_distinct(const Vocabulary& vocabulary) {
  for (std::int32_t token = 0; token < vocabulary.size(); ++token) {
    if (vocabulary.kind(token) == TokenKind::unused) continue;
    const std::int32_t found = vocabulary.find(vocabulary.spelled(token));
    if (found != token && vocabulary.kind(found) != TokenKind::unused)
      return malformed("expected every token once, got '" + std::string(vocabulary.spelled(token)) + "' as " +
                       std::to_string(found) + " and " + std::to_string(token));
  }
  return {};
}

/// Segments joined, invalid bytes as U+FFFD.
struct JoinedText {
  std::string text;
  std::vector<TextRun> trusted;
};

JoinedText joined(std::span<const Segment> segments) {
  JoinedText out;
  for (const Segment& segment : segments) {
    const std::size_t begin = out.text.size();
    if (utf8_append_valid(segment.text, out.text) < segment.text.size()) out.text += kReplacementUtf8;
    if (!segment.trusted || begin == out.text.size()) continue;
    if (!out.trusted.empty() && out.trusted.back().end == begin) {
      out.trusted.back().end = out.text.size();
    } else {
      out.trusted.push_back({begin, out.text.size()});
    }
  }
  return out;
}

/// The runs within [begin, end), counted from `begin`.
std::vector<TextRun> runs_within(std::span<const TextRun> runs, std::size_t begin, std::size_t end) {
  std::vector<TextRun> out;
  for (const TextRun& run : runs) {
    const TextRun cut{std::max(run.begin, begin), std::min(run.end, end)};
    if (cut.begin < cut.end) out.push_back({cut.begin - begin, cut.end - begin});
  }
  return out;
}

class JsonTokenizer final : public TokenizerBase {
 public:
  Expected<void> read_json(std::string_view bytes) {
    HEED_ASSIGN(const TokenizerJson file, read_tokenizer_json(bytes));
    const JsonPart root(file.parts, "");
    const JsonPart model = root.part("model");
    if (!model.value().is_object()) return malformed("model: expected an object");
    HEED_TRY(piece_model_type(file, model));
    HEED_ASSIGN(std::vector<AddedToken> added, read_added_tokens(root));
    HEED_ASSIGN(const bool has_bytes, model.flag("byte_fallback", false));
    HEED_ASSIGN(TokenTable table, read_table(file, added, has_bytes));
    if (table.spelled.empty()) return malformed("model.vocab: expected tokens, got none");
    HEED_TRY(mark_unknown(table, model));
    HEED_TRY(read(metadata_of(table), {}));
    HEED_TRY(check_distinct(vocabulary_));
    HEED_ASSIGN(normalizer_, Normalizer::read(root.part("normalizer")));
    HEED_ASSIGN(splitter_, PieceSplitter::read(root.part("pre_tokenizer")));
    HEED_ASSIGN(decoder_, TokenDecoder::read(root.part("decoder")));
    HEED_ASSIGN(frame_, read_text_frame(root.part("post_processor"), vocabulary_));
    HEED_ASSIGN(model_, read_piece_model(file, model, vocabulary_));
    added_ = AddedTokens(std::move(added), normalizer_);
    take_roles();
    return {};
  }

  std::vector<std::int32_t> encode(std::span<const Segment> segments, EncodeOptions options) const override {
    const JoinedText all = joined(segments);
    EncodeState state(all.text.size());
    std::deque<PieceList> room;  // words stay where they are while the memo lives
    for (const TextPart& part : added_.partition(AddedTokens::In::raw_text, all.text, all.trusted)) {
      if (part.token >= 0) {
        state.tokens.push_back(part.token);
      } else {
        encode_part(std::string_view(all.text).substr(part.begin, part.end - part.begin), part.begin == 0,
                    runs_within(all.trusted, part.begin, part.end), state, room);
      }
    }
    std::vector<std::int32_t>& tokens = state.tokens;
    // A template that writes the token itself does not get it twice.
    const bool is_framed = !tokens.empty() && !frame_.before.empty() && tokens.front() == frame_.before.front();
    if (options.add_bos && !is_framed) tokens.insert(tokens.begin(), frame_.before.begin(), frame_.before.end());
    if (options.add_eos) tokens.insert(tokens.end(), frame_.after.begin(), frame_.after.end());
    return std::move(tokens);
  }

  std::string decode(std::span<const std::int32_t> tokens, bool show_control, bool at_start) const override {
    std::string text;
    bool is_first = at_start;
    for (const std::int32_t token : tokens) {
      if (kind(token) == TokenKind::control) {
        text += token_bytes(token, show_control);
        continue;
      }
      std::string bytes = one_token(token, is_first, show_control);
      if (is_first && !bytes.empty()) {
        const std::size_t spaces = std::min(bytes.find_first_not_of(' '), bytes.size());
        bytes.erase(0, std::min(spaces, decoder_.strips_spaces()));
        is_first = false;
      }
      text += bytes;
    }
    return text;
  }

  std::string token_bytes(std::int32_t token, bool show_control) const override {
    if (kind(token) == TokenKind::control)
      return show_control ? std::string(vocabulary_.spelled(token)) : std::string();
    return one_token(token, false, show_control);
  }

 protected:
  void encode_stretch(std::string_view, EncodeState&) const override {}  // encode has stretches of its own
  std::string plain_bytes(std::int32_t token) const override {
    return decoder_.bytes(vocabulary_.spelled(token), false);
  }

 private:
  /// What begins and ends a text; the ids of the file tell no more.
  void take_roles() {
    adds_bos_ = !frame_.before.empty();
    if (adds_bos_) bos_ = frame_.before.front();
    if (!frame_.after.empty()) eos_ = frame_.after.back();
    if (eos_ < 0 && !ends_.empty()) eos_ = ends_.front();
  }

  std::string one_token(std::int32_t token, bool is_first, bool show_control) const {
    switch (kind(token)) {
      case TokenKind::normal:
      case TokenKind::byte:
        return decoder_.bytes(vocabulary_.spelled(token), is_first);
      default:
        return TokenizerBase::token_bytes(token, show_control);
    }
  }

  /// `text` holds no token that is looked for in raw text.
  void encode_part(std::string_view text, bool at_start, const std::vector<TextRun>& trusted, EncodeState& state,
                   std::deque<PieceList>& room) const {
    const bool is_whole = trusted.size() == 1 && trusted[0].begin == 0 && trusted[0].end == text.size();
    if (trusted.empty() || is_whole) return encode_normalized(text, at_start, is_whole, state, room);
    for (const TextPart& part : added_.partition(AddedTokens::In::mixed_text, text, trusted)) {
      if (part.token >= 0) {
        state.tokens.push_back(part.token);
      } else {
        encode_normalized(text.substr(part.begin, part.end - part.begin), at_start && part.begin == 0, false, state,
                          room);
      }
    }
  }

  void encode_normalized(std::string_view text, bool at_start, bool is_trusted, EncodeState& state,
                         std::deque<PieceList>& room) const {
    Normalizer::Text normal{std::string(text), at_start};
    normalizer_.apply(normal);
    std::vector<TextRun> trusted;
    if (is_trusted) trusted.push_back({0, normal.bytes.size()});
    for (const TextPart& part : added_.partition(AddedTokens::In::normalized_text, normal.bytes, trusted)) {
      if (part.token >= 0) {
        state.tokens.push_back(part.token);
        continue;
      }
      for (std::size_t at = part.begin; at < part.end; at += kLongestStretchBytes) {
        const std::size_t size = std::min(part.end - at, kLongestStretchBytes);
        encode_pieces(
            room.emplace_back(PieceList{normal.bytes.substr(at, size), {{0, size}}, normal.keeps_start && at == 0}),
            state);
      }
    }
  }

  void encode_pieces(PieceList& list, EncodeState& state) const {
    splitter_.apply(list);
    for (std::size_t i = 0; i < list.pieces.size(); ++i) model_->encode(list.piece(i), state);
  }

  Normalizer normalizer_;
  AddedTokens added_;
  PieceSplitter splitter_;
  std::unique_ptr<PieceModel> model_;
  TextFrame frame_;
  TokenDecoder decoder_;
};

}  // namespace

Expected<std::unique_ptr<Tokenizer>> make_json_tokenizer(std::string_view bytes) {
  auto tokenizer = std::make_unique<JsonTokenizer>();
  HEED_TRY(tokenizer->read_json(bytes));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace heed
