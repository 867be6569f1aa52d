// A T5 (Raffel et al., 2020; the 1.1 feed-forward of Shazeer, 2020) on the weights of a model file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drafts.h"
#include "kernels.h"
#include "pool.h"

namespace promptopt {

constexpr std::size_t kShared = 300'000;  // products: some ten microseconds of one thread

struct Shape {
  int d_model, d_kv, heads, d_ff, encoder_layers, decoder_layers, vocabulary, distance;
  Activation activation;
  bool gated;
  float epsilon;
  int start;
  int inner() const { return heads * d_kv; }
};

// Finds the tensors of a model file by name; both throw std::invalid_argument for one that is missing or of another shape.
class Tensors {
 public:
  virtual ~Tensors() = default;
  virtual Matrix matrix(const std::string& name, int rows, int columns) const = 0;
  virtual const float* table(const std::string& name, int rows, int columns) const = 0;
  virtual bool has(const std::string& name) const = 0;
};

struct Layer {
  Matrix self_qkv, self_o, cross_q, cross_kv, cross_o, in, out;
  const float *self_norm, *cross_norm, *norm;
};

// Keys in blocks of 64 positions, [block][channel][position], so that scores are computed side by side; values as [position][channel].
class KeysValues {
 public:
  explicit KeysValues(int inner) : inner_(inner) {}
  void append(const float* key, const float* value);
  // Forgets all but the first `count` positions.
  void shrink(int count);
  int count() const { return count_; }
  // Of the first `count` positions.
  Head head(int number, int channels, int count) const;

 private:
  int inner_;
  int count_ = 0;
  std::vector<float> keys_, values_;
};

struct Decoding {
  int limit;
  double temperature;
  int top_k;
  std::uint64_t seed;
  int end;
  int written;  // only the first so many pieces are chosen; no more than the vocabulary, 0 for all of it
};

struct Step {
  int row, id;
  double log_prob;
};

class Network {
 public:
  Network(const Shape& shape, const Tensors& tensors, int threads, const Kernels& kernels, Drafts drafts);

  const Shape& shape() const { return shape_; }
  const Kernels& kernels() const { return kernels_; }
  const Drafts& drafts() const { return drafts_; }
  int threads() const { return pool_.threads(); }
  // One computation at a time; sessions take turns.
  std::mutex& turn() { return turn_; }

  // What the encoder makes of the pieces: shape [pieces, d_model], rows `stride` apart.
  std::vector<float> encode(const std::vector<int>& pieces);

  // Keys and values of every decoder layer for what the encoder made.
  std::vector<KeysValues> cross(const std::vector<float>& memory, int positions);

  // Rows that share what they remember are of one text and follow each other in it.
  struct Row {
    int piece;
    int position;
    std::vector<KeysValues>* self;
    const std::vector<KeysValues>* cross;
  };
  // Logits of the first `written` pieces after each row's piece, shape [rows, logits_stride(written)]; the row's piece is added to what it remembers.
  void decode(const std::vector<Row>& rows, int written, std::vector<float>& logits);
  // work(row) for so many rows of so many logits, on any thread.
  template <class Work>
  void each(std::size_t rows, std::size_t logits, const Work& work) {
    const auto several = [&](int begin, int end, int) {
      for (int row = begin; row < end; ++row) work(static_cast<std::size_t>(row));
    };
    share(16 * rows * logits, static_cast<int>(rows), several);
  }
  static std::size_t logits_stride(int written) { return static_cast<std::size_t>((written + kPanel - 1) / kPanel) * kPanel; }

 private:
  std::size_t width() const { return static_cast<std::size_t>((shape_.d_model + kPanel - 1) / kPanel * kPanel); }
  // For every thread, ahead of what they share: memory that is short on another thread would end the process.
  void make_room_for_scores(std::size_t positions);
  void embed(int piece, float* out) const;
  // out = or += matrix . x for each of `count` vectors; normalised first where a norm is given.
  void project(const Matrix& matrix, const float* norm, const float* x, std::size_t x_stride, int count, bool add, std::vector<float>& out);
  // work(begin, end, thread) over 0 ... count, shared between threads where it is `products` enough to be worth waking them.
  template <class Work>
  void share(std::size_t products, int count, const Work& work) {
    if (products < kShared) {
      work(0, count, 0);
    } else {
      pool_.run(count, work);
    }
  }
  void feed_forward(const Layer& layer, std::vector<float>& x, int count);

  Shape shape_;
  const Kernels& kernels_;
  const Drafts drafts_;
  Pool pool_;
  std::mutex turn_;
  Matrix embedding_, head_;
  std::vector<Layer> encoder_, decoder_;
  const float *encoder_norm_, *decoder_norm_, *encoder_bias_, *decoder_bias_;
  std::vector<float> projected_, attended_, inner_, normed_, units_, residual_;
  std::vector<std::uint8_t> packed_;
  std::vector<std::vector<float>> scores_;
};

// Rows that are written together; finished rows take no further part.
//
// Each row guesses what it will write next, from what mostly follows what, and the network reads the guesses along with the last piece, weights
// once for all of them. A guess is kept where the network chose it too, so what is written is what it would be without guesses, to the bit.
class Session {
 public:
  // `withheld` holds, for each source, the ids that are never chosen. `ruled`: pieces whose choice may change what is withheld or asked for.
  Session(std::shared_ptr<Network> network, const std::vector<std::vector<int>>& sources, const std::vector<std::vector<int>>& withheld,
          const std::vector<int>& ruled, const Decoding& decoding);
  // The next piece of every unfinished row, or the next few, of which all but the last are not `ruled`; none once all are finished. A row named
  // in `only` gets one piece, one of these.
  std::vector<Step> step(const std::map<int, std::vector<int>>& only);
  // Keeps a row from ever choosing `piece` again.
  void withhold(int row, int piece);

 private:
  struct Row {
    int number;
    int before, piece;
    int written = 0;
    std::uint64_t state;
    std::vector<int> withheld;
    std::vector<KeysValues> self, cross;
    std::vector<int> guesses;
  };
  void guess(Row& row, int most) const;
  int draw(Row& row, const float* logits) const;
  // Throws std::invalid_argument unless all pieces are among the first `count`.
  static void check(const std::vector<int>& pieces, int count, const char* trouble);

  std::shared_ptr<Network> network_;
  std::vector<bool> ruled_;
  Decoding decoding_;
  std::vector<Row> rows_;
  std::vector<float> logits_;
};

}  // namespace promptopt
