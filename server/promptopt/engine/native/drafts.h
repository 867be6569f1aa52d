// Which piece mostly follows which in what an adapter writes: guesses that the network then reads several of at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace promptopt {

// After the pieces `before` and `last` comes `next`; `before` is kAny where the piece before the last does not matter.
struct Draft {
  static constexpr std::int32_t kAny = -1;
  std::int32_t before, last, next;
  bool operator<(const Draft& other) const { return before != other.before ? before < other.before : last < other.last; }
};

class Drafts {
 public:
  static constexpr int kNone = -1;

  Drafts() = default;
  explicit Drafts(std::vector<Draft> drafts) : drafts_(std::move(drafts)) { std::sort(drafts_.begin(), drafts_.end()); }

  // What follows these two pieces, or the second of them; kNone where nothing is known. It may be any number.
  int next(int before, int last) const {
    const int found = find({before, last, 0});
    return found != kNone ? found : find({Draft::kAny, last, 0});
  }

 private:
  int find(const Draft& wanted) const {
    const auto place = std::lower_bound(drafts_.begin(), drafts_.end(), wanted);
    return place == drafts_.end() || wanted < *place ? kNone : place->next;
  }

  std::vector<Draft> drafts_;
};

}  // namespace promptopt
