#include "pool.h"

#include <system_error>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace promptopt {
namespace {

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
    ++round_;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::dispatch(int count, Call call, const void* context) {
  call_ = call;
  context_ = context;
  count_ = count;
  pending_ = static_cast<int>(workers_.size());
  ++round_;
  // A thread counts itself as sleeping before it looks at the round for the last time, so one of the two sees the other.
  if (sleeping_ > 0) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
  part(0);
  for (int spins = 0; pending_.load(std::memory_order_acquire) > 0; ++spins) spins < kSpins ? relax() : std::this_thread::yield();
}

void Pool::serve(int thread) {
  unsigned seen = 0;
  while (true) {
    wait(seen);
    seen = round_;
    if (closing_) return;
    part(thread);
    pending_.fetch_sub(1, std::memory_order_release);
  }
}

void Pool::wait(unsigned seen) {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (round_.load(std::memory_order_acquire) != seen) return;
    relax();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  ++sleeping_;
  wake_.wait(lock, [&] { return round_ != seen; });
  --sleeping_;
}

void Pool::part(int thread) const {
  const int all = threads();
  call_(context_, static_cast<int>(static_cast<long long>(count_) * thread / all),
        static_cast<int>(static_cast<long long>(count_) * (thread + 1) / all), thread);
}

}  // namespace promptopt
