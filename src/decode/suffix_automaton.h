// suffix_automaton.h -- a growing text of tokens that knows at once where its longest repeated suffix stood before.
#pragma once
#include <cstdint>
#include <vector>

namespace heed {

/// Blumer et al. 1985, online: at most 2n states and 3n edges for n tokens, amortized constant time a token. The edges
/// of all states share one hash table, since a vocabulary is too large for arrays and most states have one edge.
class SuffixAutomaton {
 public:
  /// Everything is reserved here (about 110 bytes a token, touched as it fills): push() never allocates.
  explicit SuffixAutomaton(std::int32_t capacity);

  /// The longest suffix of the text that also ends at an earlier place.
  struct Match {
    std::int32_t length = 0;  // 0: the last token is new
    std::int32_t next = 0;    // index behind the earlier occurrence, below size()
  };

  /// Appends a token. A full automaton ignores it and has no match from then on.
  void push(std::int32_t token) noexcept;
  /// Where several earlier places qualify: usually the latest, always a true one.
  Match match() const noexcept { return match_; }
  std::int32_t size() const noexcept { return size_; }
  std::int32_t capacity() const noexcept { return capacity_; }

 private:
  struct State {
    std::int32_t length;      // of its longest string
    std::int32_t link;        // state of the longest suffix that is not in this one; -1: the root
    std::int32_t end;         // index behind one place where its strings end
    std::int32_t first_edge;  // -1: none
  };
  struct Edge {
    std::int32_t from, token, to;
    std::int32_t next_of_state, next_in_bucket;  // -1: last
  };

  std::size_t bucket(std::int32_t from, std::int32_t token) const noexcept;
  std::int32_t find(std::int32_t from, std::int32_t token) const noexcept;  // an edge or -1
  void add_edge(std::int32_t from, std::int32_t token, std::int32_t to) noexcept;
  std::int32_t add_state(std::int32_t length, std::int32_t link, std::int32_t end) noexcept;
  std::int32_t split(std::int32_t from, std::int32_t edge) noexcept;
  void refresh(std::int32_t state) noexcept;

  std::int32_t capacity_, size_ = 0;
  std::int32_t last_ = 0;  // state of the whole text
  Match match_;
  std::vector<State> states_;
  std::vector<Edge> edges_;
  std::vector<std::int32_t> buckets_;  // [power of two], first edge of each; -1: none
};

}  // namespace heed
