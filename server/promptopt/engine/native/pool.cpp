#include "pool.h"

#include <algorithm>
#include <system_error>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace promptopt {
namespace {

constexpr int kParts = 8;       // for each thread: few enough to cost nothing, many enough that the last one is soon done
constexpr int kSpins = 4000;  // some 50 to 100 microseconds

void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  asm volatile("yield");
#endif
}

}  // namespace

Pool::Pool(int threads) {
  workers_.reserve(static_cast<std::size_t>(threads));
  try {
    for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { serve(thread); });
  } catch (const std::system_error&) {
    // A limit is reached; those that have begun do the work.
  }
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    left_ = static_cast<std::uint64_t>(round() + 1) << 32;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::dispatch(int count, Call call, const void* context) {
  const std::uint32_t round = this->round() + 1;
  call_ = call;
  context_ = context;
  count_ = count;
  grain_ = std::max(1, count / (threads() * kParts));
  done_ = 0;
  left_ = static_cast<std::uint64_t>(round) << 32 | static_cast<std::uint64_t>(count);
  // A thread counts itself as sleeping before it looks at the round for the last time, so one of the two sees the other.
  if (sleeping_ > 0) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
  take(round, 0);
  for (int spins = 0; done_.load(std::memory_order_acquire) < count; ++spins) spins < kSpins ? relax() : std::this_thread::yield();
}

void Pool::serve(int thread) {
  std::uint32_t seen = 0;
  while (true) {
    wait(seen);
    seen = round();
    if (closing_) return;
    take(seen, thread);
  }
}

void Pool::wait(std::uint32_t seen) {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (round() != seen) return;
    relax();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  ++sleeping_;
  wake_.wait(lock, [&] { return round() != seen; });
  --sleeping_;
}

// Takes and does what is left of this round. What a round is about is written before it begins and while the one before has nothing left, so
// it is what was read here whenever the exchange succeeds.
void Pool::take(std::uint32_t round, int thread) {
  std::uint64_t left = left_;
  while (left >> 32 == round && (left & 0xffffffffu) > 0) {
    const Call call = call_;
    const void* context = context_;
    const int items = static_cast<int>(left & 0xffffffffu), begin = count_ - items, taken = std::min<int>(grain_, items);
    if (left_.compare_exchange_weak(left, left - static_cast<std::uint64_t>(taken))) {
      call(context, begin, begin + taken, thread);
      done_.fetch_add(taken, std::memory_order_release);
      left = left_;
    }
  }
}

}  // namespace promptopt
