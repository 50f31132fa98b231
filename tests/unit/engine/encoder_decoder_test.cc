// encoder_decoder_test.cc -- a tiny T5 behind the same interface as every model: its prompt is the encoder's.
#include <gtest/gtest.h>

#include <cstring>

#include "engine/loaded_model.h"
#include "formats/gguf.h"

namespace heed {
namespace {

using Tokens = std::vector<std::int32_t>;

const std::string kModels = std::string(HEED_SOURCE_DIR) + "/tests/golden/models/";

struct EncoderDecoder : ::testing::Test {
  void SetUp() override {
    auto loaded = load_language_model(kModels + "t5.gguf", {.threads = 2, .kv_dtype = "f32"});
    ASSERT_TRUE(loaded) << loaded.error().text;
    model = std::move(*loaded);
    state = model->new_state();
  }

  Expected<void> try_feed(ModelState& to, const Tokens& tokens, std::span<float> into) {
    HEED_TRY(model->reserve(to, static_cast<std::int32_t>(tokens.size())));
    StepItem item{&to, tokens, into};
    return model->step({&item, 1});
  }
  std::vector<float> feed(ModelState& to, const Tokens& tokens) {
    std::vector<float> logits(static_cast<std::size_t>(model->vocab_size()));
    const auto done = try_feed(to, tokens, logits);
    EXPECT_TRUE(done) << (done ? "" : done.error().text);
    return logits;
  }

  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<ModelState> state;
  const Tokens prompt{3, 30, 5, 32, 17, 9};
};

TEST_F(EncoderDecoder, TheFirstLogitsAreThoseOfTheStartTokenAfterTheWholeSource) {
  auto expected = GgufFile::open(kModels + "t5.expected.gguf");
  ASSERT_TRUE(expected);
  const Tensor *source = expected->find("source"), *want = expected->find("logits");
  Tokens text(static_cast<std::size_t>(source->cols()));
  std::memcpy(text.data(), source->data, text.size() * 4);
  if (text.back() != model->tokenizer().eos()) GTEST_FAIL() << "the golden's source must end as a source does";
  const auto logits = feed(*state, text);
  EXPECT_EQ(state->length(), static_cast<std::int32_t>(text.size()));
  const auto* first = reinterpret_cast<const float*>(want->data);
  for (std::size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], first[i], 1e-3f) << i;
}

TEST_F(EncoderDecoder, ASourceMayComeInPieces) {
  const auto whole = feed(*state, prompt);
  auto pieces = model->new_state();
  ASSERT_TRUE(try_feed(*pieces, {prompt[0], prompt[1]}, {}));
  ASSERT_TRUE(try_feed(*pieces, {prompt[2]}, {}));
  EXPECT_EQ(pieces->length(), 3);
  EXPECT_EQ(feed(*pieces, {prompt.begin() + 3, prompt.end()}), whole);
  EXPECT_EQ(pieces->length(), 6);
}

TEST_F(EncoderDecoder, TokensAfterTheFirstLogitsAreTheAnswer) {
  feed(*state, prompt);
  const auto once = feed(*state, {40});
  EXPECT_EQ(state->length(), 7);
  auto other = model->new_state();
  feed(*other, prompt);
  EXPECT_NE(feed(*other, {41}), once);
  other->truncate(6);
  EXPECT_EQ(other->length(), 6);
}

TEST_F(EncoderDecoder, GoingBackIntoTheSourceEncodesItAnew) {
  feed(*state, prompt);
  feed(*state, {40});
  state->truncate(4);
  EXPECT_EQ(state->length(), 4);
  const auto again = feed(*state, {prompt[4], prompt[5]});
  auto fresh = model->new_state();
  EXPECT_EQ(feed(*fresh, prompt), again);
}

TEST_F(EncoderDecoder, LogitsOfTheSourceAreRefusedAndNothingAdvances) {
  std::vector<float> all(prompt.size() * static_cast<std::size_t>(model->vocab_size()));
  const auto done = try_feed(*state, prompt, all);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::unsupported);
  EXPECT_EQ(state->length(), 0);
}

TEST_F(EncoderDecoder, ItsStatesAreNeitherSharedNorGuessed) {
  feed(*state, prompt);
  EXPECT_EQ(state->fork(), nullptr);
  EXPECT_FALSE(model->forgets_freely());
}

}  // namespace
}  // namespace heed
