// Threads that share the rows of each matrix product.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace promptopt {

// A product of a large network takes some 50 microseconds, waking a thread takes as long: so threads spin for a while before they sleep.
// Whoever is awake takes the next few of what is to be done, so that nobody waits for a thread that the system has not let run.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(begin, end, thread) for parts that make up 0 ... count, on any thread, and returns when all are done. One call at a time.
  template <class Work>
  void run(int count, const Work& work) {
    if (workers_.empty() || count < 2) {
      work(0, count, 0);
      return;
    }
    dispatch(count, [](const void* context, int begin, int end, int thread) { (*static_cast<const Work*>(context))(begin, end, thread); }, &work);
  }

 private:
  using Call = void (*)(const void*, int, int, int);
  void dispatch(int count, Call call, const void* context);
  void serve(int thread);
  void take(std::uint32_t round, int thread);
  void wait(std::uint32_t seen);
  std::uint32_t round() const { return static_cast<std::uint32_t>(left_.load(std::memory_order_acquire) >> 32); }

  // The number of the round, and in the lower half how many items nobody has taken: one word, so that what a thread takes is of the round it knows.
  std::atomic<std::uint64_t> left_{0};
  std::atomic<Call> call_{nullptr};
  std::atomic<const void*> context_{nullptr};
  std::atomic<int> count_{0}, grain_{1}, done_{0}, sleeping_{0};
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

}  // namespace promptopt
