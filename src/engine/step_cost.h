// step_cost.h -- what a step with more rows costs, measured while it happens.
#pragma once
#include <array>
#include <cstdint>

namespace heed {

/// Times of decode steps by the number of sequences and of extra (drafted) rows. Plain steps are the yardstick: they
/// are measured again now and then, because time grows with the depth of the conversations.
class StepCost {
 public:
  static constexpr std::int32_t kMostExtra = 31;

  /// False: there is no recent plain step of so many sequences to compare with.
  bool knows(std::int32_t sequences) const noexcept;
  /// Time of a step with `extra` more rows over one without. What was never measured is interpolated.
  double ratio(std::int32_t sequences, std::int32_t extra) const noexcept;
  void observe(std::int32_t sequences, std::int32_t extra, std::int64_t ns) noexcept;

 private:
  struct Cell {
    double value = 0;
    std::int32_t count = 0;
    std::int64_t at = 0;  // step of the last measurement
  };
  struct Class {                               // of sequence counts
    std::array<Cell, kMostExtra + 1> cells{};  // [0]: nanoseconds of a plain step, others: ratios to it
    std::int64_t steps = 0;
    std::int32_t refresh = 0;  // plain steps still wanted
  };
  static constexpr std::size_t kExact = 8, kClasses = 16;
  static std::size_t class_of(std::int32_t sequences) noexcept;
  static void add(Cell& cell, double value, std::int64_t step) noexcept;

  std::array<Class, kClasses> classes_{};
};

}  // namespace heed
