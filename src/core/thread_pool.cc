// thread_pool.cc -- spin briefly, then sleep on a futex: regions come every few microseconds during a step.
#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace heed {
namespace {

// About 20 us of pauses on a 3 GHz core: longer than the serial code between two regions of one step, far shorter than
// a scheduler tick.
constexpr int kSpins = 2000;

// More threads than processors: whoever waits lets those run that have work.
void wait_a_little(bool is_crowded) noexcept {
  if (is_crowded) {
    sched_yield();
    return;
  }
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // `yield` takes no time on most cores; this takes about as long as a pause
#endif
}

// Rounded-up CPUs of a cgroup-v2 quota, or 0 when there is none.
int quota_cpus() noexcept {
  std::FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r");
  if (!f) return 0;
  long long quota = 0, period = 0;
  const int got = std::fscanf(f, "%lld %lld", &quota, &period);
  std::fclose(f);
  return got == 2 && period > 0 ? static_cast<int>(std::max(1LL, (quota + period - 1) / period)) : 0;
}

}  // namespace

int ThreadPool::usable_cpus() noexcept {
  cpu_set_t set;
  int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (const int quota = quota_cpus(); quota > 0) cpus = std::min(cpus, quota);
  return std::max(cpus, 1);
}

ThreadPool::ThreadPool(int threads)
    : threads_(threads > 0 ? threads : usable_cpus()), is_crowded_(threads > 0 && threads > usable_cpus()) {
  for (int i = 1; i < threads_; ++i) team_.emplace_back([this, i] { loop(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& t : team_) t.join();
}

void ThreadPool::run(std::int64_t n, std::int64_t grain, Body body, void* context) {
  n_ = n;
  grain_ = std::max<std::int64_t>(grain, 1);
  body_ = body;
  context_ = context;
  next_.store(0, std::memory_order_relaxed);
  running_.store(threads_ - 1, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  work(0);
  for (int spin = 0;; ++spin) {
    const int left = running_.load(std::memory_order_acquire);
    if (left == 0) return;
    if (spin < kSpins)
      wait_a_little(is_crowded_);
    else
      running_.wait(left, std::memory_order_acquire);
  }
}

void ThreadPool::work(int worker) noexcept {
  for (;;) {
    const std::int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= n_) return;
    body_(context_, begin, std::min(begin + grain_, n_), worker);
  }
}

void ThreadPool::loop(int worker) noexcept {
  std::uint32_t seen = 0;
  for (;;) {
    for (int spin = 0; epoch_.load(std::memory_order_acquire) == seen; ++spin) {
      if (spin < kSpins)
        wait_a_little(is_crowded_);
      else
        epoch_.wait(seen, std::memory_order_acquire);
    }
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    work(worker);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

}  // namespace heed
