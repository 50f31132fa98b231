// prefix_store_test.cc -- longest prefix, least recently used, and walls between tenants.
#include "engine/prefix_store.h"

#include "tests/unit/engine/harness.h"

namespace heed::testing {
namespace {

struct Store {
  explicit Store(std::int32_t capacity) : store(capacity) {}
  std::unique_ptr<ModelState> state(const std::vector<std::int32_t>& tokens) {
    auto s = model.new_state();
    EXPECT_TRUE(model.reserve(*s, static_cast<std::int32_t>(tokens.size())));
    StepItem item{s.get(), tokens, {}};
    EXPECT_TRUE(model.step(std::span(&item, 1)));
    return s;
  }
  void keep(const std::string& tenant, const std::string& text) {
    const auto tokens = to_tokens(text);
    store.keep(tenant, tokens, state(tokens));
  }
  std::int32_t common(const std::string& tenant, const std::string& text) {
    return store.find(tenant, to_tokens(text)).common;
  }
  FakeModel model;
  PrefixStore store;
};

const std::string kTwenty = "abcdefghijklmnopqrst";

TEST(PrefixStore, FindsTheLongestOfTheSameTenantOnly) {
  Store s(4);
  s.keep("a", kTwenty);
  s.keep("a", kTwenty.substr(0, 17) + "XYZ and more");
  EXPECT_EQ(s.store.size(), 2u);
  EXPECT_EQ(s.common("a", kTwenty + "u"), 20);
  EXPECT_EQ(s.common("a", kTwenty.substr(0, 17) + "XYZ?"), 20);
  EXPECT_EQ(s.common("b", kTwenty), 0);
  EXPECT_EQ(s.common("", kTwenty), 0);
  EXPECT_EQ(s.common("a", kTwenty.substr(0, 15) + "else"), 0);  // 15 common tokens are not worth it
  EXPECT_EQ(s.common("a", kTwenty.substr(0, 16) + "else"), 16);
}

TEST(PrefixStore, ContinuedStatesAreReplacedAndContainedOnesNotAdded) {
  Store s(4);
  s.keep("a", kTwenty);
  s.keep("a", kTwenty + " next turn");
  EXPECT_EQ(s.store.size(), 1u);
  EXPECT_EQ(s.common("a", kTwenty + " next turn"), 30);
  s.keep("a", kTwenty);
  EXPECT_EQ(s.store.size(), 1u);
  s.keep("b", kTwenty);
  EXPECT_EQ(s.store.size(), 2u);
  EXPECT_EQ(s.model.states_alive(), 2);
}

TEST(PrefixStore, LeastRecentlyUsedGoesFirst) {
  Store s(2);
  s.keep("a", "1" + kTwenty);
  s.keep("a", "2" + kTwenty);
  EXPECT_EQ(s.common("a", "1" + kTwenty), 21);  // used: "2" is the oldest now
  s.keep("a", "3" + kTwenty);
  EXPECT_EQ(s.common("a", "2" + kTwenty), 0);
  EXPECT_EQ(s.common("a", "1" + kTwenty), 21);
  EXPECT_TRUE(s.store.evict_one());
  EXPECT_EQ(s.common("a", "3" + kTwenty), 0);
  EXPECT_TRUE(s.store.evict_one());
  EXPECT_FALSE(s.store.evict_one());
  EXPECT_EQ(s.model.states_alive(), 0);
  EXPECT_EQ(s.model.pages_used(), 0);
}

TEST(PrefixStore, KeepsNothingWithoutCapacityOrTooShort) {
  Store none(0);
  none.keep("a", kTwenty);
  EXPECT_EQ(none.store.size(), 0u);
  Store s(4);
  s.keep("a", "short");
  EXPECT_EQ(s.store.size(), 0u);
  EXPECT_EQ(s.model.states_alive(), 0);
}

}  // namespace
}  // namespace heed::testing
