#include "t5.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>

namespace promptopt {
namespace {

Layer load_layer(const Tensors& tensors, const std::string& name, const Shape& shape, bool decoder) {
  const int d = shape.d_model, inner = shape.inner();
  Layer layer{};
  layer.self_qkv = tensors.matrix(name + ".self.qkv", 3 * inner, d);
  layer.self_o = tensors.matrix(name + ".self.o", d, inner);
  layer.self_norm = tensors.table(name + ".self.norm", 1, d);
  if (decoder) {
    layer.cross_q = tensors.matrix(name + ".cross.q", inner, d);
    layer.cross_kv = tensors.matrix(name + ".cross.kv", 2 * inner, d);
    layer.cross_o = tensors.matrix(name + ".cross.o", d, inner);
    layer.cross_norm = tensors.table(name + ".cross.norm", 1, d);
  }
  layer.in = tensors.matrix(name + ".in", (shape.gated ? 2 : 1) * shape.d_ff, d);
  layer.out = tensors.matrix(name + ".out", d, shape.d_ff);
  layer.norm = tensors.table(name + ".norm", 1, d);
  return layer;
}

// A logit so low that its piece is never chosen, and yet a number to subtract from.
constexpr float kNever = -1e30f;

template <class T>
T* room(std::vector<T>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

}  // namespace

void KeysValues::append(const float* key, const float* value) {
  const std::size_t inner = static_cast<std::size_t>(inner_);
  if (count_ % kPanel == 0) keys_.resize(keys_.size() + inner * kPanel);
  float* block = keys_.data() + static_cast<std::size_t>(count_ / kPanel) * inner * kPanel + count_ % kPanel;
  for (std::size_t c = 0; c < inner; ++c) block[c * kPanel] = key[c];
  values_.insert(values_.end(), value, value + inner);
  ++count_;
}

void KeysValues::shrink(int count) {
  const std::size_t inner = static_cast<std::size_t>(inner_), blocks = static_cast<std::size_t>((count + kPanel - 1) / kPanel);
  count_ = count;
  keys_.resize(blocks * inner * kPanel);
  values_.resize(static_cast<std::size_t>(count) * inner);
}

Head KeysValues::head(int number, int channels, int count) const {
  const std::size_t inner = static_cast<std::size_t>(inner_), first = static_cast<std::size_t>(number) * channels;
  return {keys_.data() + first * kPanel, inner * kPanel, values_.data() + first, inner, count, channels};
}

Network::Network(const Shape& shape, const Tensors& tensors, int threads, const Kernels& kernels, Drafts drafts)
    : shape_(shape), kernels_(kernels), drafts_(std::move(drafts)), pool_(threads), scores_(static_cast<std::size_t>(pool_.threads())) {
  embedding_ = tensors.matrix("embedding", shape.vocabulary, shape.d_model);
  head_ = tensors.has("head") ? tensors.matrix("head", shape.vocabulary, shape.d_model) : embedding_;
  encoder_bias_ = tensors.table("encoder.bias", shape.heads, 2 * shape.distance + 1);
  decoder_bias_ = tensors.table("decoder.bias", shape.heads, shape.distance + 1);
  encoder_norm_ = tensors.table("encoder.norm", 1, shape.d_model);
  decoder_norm_ = tensors.table("decoder.norm", 1, shape.d_model);
  for (int n = 0; n < shape.encoder_layers; ++n) encoder_.push_back(load_layer(tensors, "encoder." + std::to_string(n), shape, false));
  for (int n = 0; n < shape.decoder_layers; ++n) decoder_.push_back(load_layer(tensors, "decoder." + std::to_string(n), shape, true));
}

void Network::make_room_for_scores(std::size_t positions) {
  for (std::vector<float>& scores : scores_) room(scores, positions + kPanel);
}

void Network::embed(int piece, float* out) const {
  const std::size_t panel = static_cast<std::size_t>(piece / kPanel), row = static_cast<std::size_t>(piece % kPanel);
  const std::size_t columns = static_cast<std::size_t>(shape_.d_model);
  if (embedding_.quantized()) {
    const std::int8_t* weights = static_cast<const std::int8_t*>(embedding_.data) + panel * static_cast<std::size_t>(embedding_.quads()) * 4 * kPanel;
    for (std::size_t c = 0; c < columns; ++c) out[c] = static_cast<float>(weights[(c / 4 * kPanel + row) * 4 + c % 4]) * embedding_.scales[piece];
  } else {
    const std::size_t first = panel * columns * kPanel + row;
    const float* floats = static_cast<const float*>(embedding_.data);
    const std::uint16_t* halves = static_cast<const std::uint16_t*>(embedding_.data);
    for (std::size_t c = 0; c < columns; ++c)
      out[c] = embedding_.kind == Kind::float32 ? floats[first + c * kPanel] : widened(halves[first + c * kPanel]);
  }
}

void Network::project(const Matrix& matrix, const float* norm, const float* x, std::size_t x_stride, int count, bool add, std::vector<float>& out) {
  const std::size_t columns = static_cast<std::size_t>(matrix.columns), size = matrix.packed_size();
  const std::size_t stride = static_cast<std::size_t>(matrix.padded_rows()), vectors = static_cast<std::size_t>(count);
  float* normed = room(normed_, norm ? vectors * columns : 0);
  std::uint8_t* packed = room(packed_, matrix.quantized() ? vectors * size : 0);
  float* units = room(units_, vectors);
  float* to = room(out, vectors * stride);
  const auto prepare = [&](int begin, int end, int) {
    for (std::size_t v = static_cast<std::size_t>(begin); v < static_cast<std::size_t>(end); ++v) {
      const float* from = x + v * x_stride;
      if (norm) {
        kernels_.normalize(from, norm, matrix.columns, shape_.epsilon, normed + v * columns);
        from = normed + v * columns;
      }
      if (matrix.quantized()) units[v] = kernels_.pack(from, matrix.columns, matrix.reach(), packed + v * size);
    }
  };
  share(8 * vectors * columns, count, prepare);
  share(vectors * stride * columns, matrix.panels(), [&](int begin, int end, int) {
    if (matrix.quantized()) {
      kernels_.multiply_int8(matrix, packed, units, count, begin, end, add, to, stride);
    } else {
      kernels_.multiply_float(matrix, norm ? normed : x, norm ? columns : x_stride, count, begin, end, add, to, stride);
    }
  });
}

void Network::feed_forward(const Layer& layer, std::vector<float>& x, int count) {
  project(layer.in, layer.norm, x.data(), width(), count, false, projected_);
  const std::size_t stride = static_cast<std::size_t>(layer.in.padded_rows()), size = static_cast<std::size_t>(shape_.d_ff);
  float* active = room(inner_, static_cast<std::size_t>(count) * size);
  const auto activate = [&](int begin, int end, int) {
    for (std::size_t v = static_cast<std::size_t>(begin); v < static_cast<std::size_t>(end); ++v)
      kernels_.activate(shape_.activation, shape_.gated, projected_.data() + v * stride, shape_.d_ff, active + v * size);
  };
  share(16 * static_cast<std::size_t>(count) * size, count, activate);
  project(layer.out, nullptr, active, size, count, true, x);
}

std::vector<float> Network::encode(const std::vector<int>& pieces) {
  const int count = static_cast<int>(pieces.size()), inner = shape_.inner(), channels = shape_.d_kv;
  const std::size_t vectors = pieces.size(), wide = static_cast<std::size_t>(inner);
  std::vector<float> x(vectors * width());
  for (std::size_t v = 0; v < vectors; ++v) embed(pieces[v], x.data() + v * width());
  for (const Layer& layer : encoder_) {
    project(layer.self_qkv, layer.self_norm, x.data(), width(), count, false, projected_);
    const std::size_t stride = static_cast<std::size_t>(layer.self_qkv.padded_rows());
    KeysValues memory(inner);
    for (std::size_t v = 0; v < vectors; ++v) memory.append(projected_.data() + v * stride + wide, projected_.data() + v * stride + 2 * wide);
    float* attended = room(attended_, vectors * wide);
    make_room_for_scores(vectors);
    share(2 * vectors * vectors * wide, count * shape_.heads, [&](int begin, int end, int thread) {
      float* scores = scores_[static_cast<std::size_t>(thread)].data();
      for (int job = begin; job < end; ++job) {
        const int number = job / count, query = job % count;
        const Bias bias{encoder_bias_ + number * (2 * shape_.distance + 1), shape_.distance, 2 * shape_.distance + 1, query};
        const std::size_t at = static_cast<std::size_t>(query), first = static_cast<std::size_t>(number) * static_cast<std::size_t>(channels);
        kernels_.attend(projected_.data() + at * stride + first, memory.head(number, channels, count), bias, scores, attended + at * wide + first);
      }
    });
    project(layer.self_o, nullptr, attended, wide, count, true, x);
    feed_forward(layer, x, count);
  }
  for (std::size_t v = 0; v < vectors; ++v) {
    float* at = x.data() + v * width();
    kernels_.normalize(at, encoder_norm_, shape_.d_model, shape_.epsilon, at);
  }
  return x;
}

std::vector<KeysValues> Network::cross(const std::vector<float>& memory, int positions) {
  std::vector<KeysValues> all(decoder_.size(), KeysValues(shape_.inner()));
  const std::size_t inner = static_cast<std::size_t>(shape_.inner());
  for (std::size_t n = 0; n < decoder_.size(); ++n) {
    const Matrix& matrix = decoder_[n].cross_kv;
    project(matrix, nullptr, memory.data(), width(), positions, false, projected_);
    for (std::size_t v = 0; v < static_cast<std::size_t>(positions); ++v) {
      const float* at = projected_.data() + v * static_cast<std::size_t>(matrix.padded_rows());
      all[n].append(at, at + inner);
    }
  }
  return all;
}

void Network::decode(const std::vector<Row>& rows, int written, std::vector<float>& logits) {
  const int count = static_cast<int>(rows.size()), channels = shape_.d_kv;
  const std::size_t wide = static_cast<std::size_t>(shape_.inner());
  room(residual_, rows.size() * width());
  std::fill(residual_.begin(), residual_.end(), 0.0f);
  for (std::size_t r = 0; r < rows.size(); ++r) embed(rows[r].piece, residual_.data() + r * width());
  float* attended = room(attended_, rows.size() * wide);

  // Attention of every row and head; queries are the first columns of what was projected.
  const auto attend = [&](std::size_t layer, std::size_t stride, bool self) {
    int longest = 0;
    for (const Row& row : rows) longest = std::max(longest, (self ? *row.self : *row.cross)[layer].count());
    make_room_for_scores(static_cast<std::size_t>(longest));
    share(2 * rows.size() * static_cast<std::size_t>(longest) * wide, count * shape_.heads, [&](int begin, int end, int thread) {
      for (int job = begin; job < end; ++job) {
        const std::size_t r = static_cast<std::size_t>(job / shape_.heads);
        const int number = job % shape_.heads;
        const KeysValues& memory = (self ? *rows[r].self : *rows[r].cross)[layer];
        const Head head = memory.head(number, channels, self ? rows[r].position + 1 : memory.count());  // rows behind it are not seen
        Bias bias;
        if (self) bias = {decoder_bias_ + number * (shape_.distance + 1), shape_.distance, shape_.distance + 1, rows[r].position};
        float* scores = scores_[static_cast<std::size_t>(thread)].data();
        const std::size_t first = static_cast<std::size_t>(number) * static_cast<std::size_t>(channels);
        kernels_.attend(projected_.data() + r * stride + first, head, bias, scores, attended + r * wide + first);
      }
    });
  };

  for (std::size_t n = 0; n < decoder_.size(); ++n) {
    const Layer& layer = decoder_[n];
    project(layer.self_qkv, layer.self_norm, residual_.data(), width(), count, false, projected_);
    const std::size_t stride = static_cast<std::size_t>(layer.self_qkv.padded_rows());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const float* at = projected_.data() + r * stride;
      (*rows[r].self)[n].append(at + wide, at + 2 * wide);
    }
    attend(n, stride, true);
    project(layer.self_o, nullptr, attended, wide, count, true, residual_);
    project(layer.cross_q, layer.cross_norm, residual_.data(), width(), count, false, projected_);
    attend(n, static_cast<std::size_t>(layer.cross_q.padded_rows()), false);
    project(layer.cross_o, nullptr, attended, wide, count, true, residual_);
    feed_forward(layer, residual_, count);
  }
  Matrix head = head_;
  head.rows = written;
  project(head, decoder_norm_, residual_.data(), width(), count, false, logits);
}

namespace {

// Leaves these pieces possible and no others.
void keep(const std::vector<int>& pieces, float* logits, int count) {
  std::vector<float> kept;
  for (const int piece : pieces) kept.push_back(logits[piece]);
  std::fill(logits, logits + count, kNever);
  for (std::size_t n = 0; n < pieces.size(); ++n) logits[pieces[n]] = kept[n];
}

constexpr int kTogether = 6;  // the most vectors that a step of few rows reads; with more of them arithmetic takes longer than the weights do

// The first piece with this logit; 0 where there is none, because they are no numbers.
int first(const float* logits, int count, float top) {
  const float* found = std::find(logits, logits + count, top);
  return found == logits + count ? 0 : static_cast<int>(found - logits);
}

}  // namespace

Session::Session(std::shared_ptr<Network> network, const std::vector<std::vector<int>>& sources, const std::vector<std::vector<int>>& withheld,
                 const std::vector<int>& ruled, const Decoding& decoding)
    : network_(std::move(network)), decoding_(decoding) {
  const Shape& shape = network_->shape();
  decoding_.written = decoding.written > 0 ? std::min(decoding.written, shape.vocabulary) : shape.vocabulary;
  if (withheld.size() != sources.size()) throw std::invalid_argument("there are not as many lists of withheld ids as sources");
  for (const std::vector<int>& pieces : withheld) check(pieces, decoding_.written, "an id is withheld that is never chosen anyway");
  for (const std::vector<int>& source : sources) {
    if (source.empty()) throw std::invalid_argument("a source is empty");
    check(source, shape.vocabulary, "a source holds an id that the vocabulary has not");
  }
  check(ruled, shape.vocabulary, "an id is ruled that the vocabulary has not");
  ruled_.assign(static_cast<std::size_t>(decoding_.written), false);
  for (const int piece : ruled)
    if (piece < decoding_.written) ruled_[static_cast<std::size_t>(piece)] = true;
  if (decoding.end >= 0 && decoding.end < decoding_.written) ruled_[static_cast<std::size_t>(decoding.end)] = true;
  if (decoding.limit < 1) return;
  const std::lock_guard<std::mutex> lock(network_->turn());
  for (std::size_t n = 0; n < sources.size(); ++n) {
    Row row{static_cast<int>(n), shape.start, shape.start, 0, decoding.seed, withheld[n], {}, {}, {}};
    row.self.assign(static_cast<std::size_t>(shape.decoder_layers), KeysValues(shape.inner()));
    row.cross = network_->cross(network_->encode(sources[n]), static_cast<int>(sources[n].size()));
    rows_.push_back(std::move(row));
  }
}

void Session::check(const std::vector<int>& pieces, int count, const char* trouble) {
  for (const int piece : pieces)
    if (piece < 0 || piece >= count) throw std::invalid_argument(trouble);
}

void Session::withhold(int row, int piece) {
  check({piece}, decoding_.written, "an id is withheld that is never chosen anyway");
  for (Row& each : rows_)
    if (each.number == row) each.withheld.push_back(piece);
}

void Session::guess(Row& row, int most) const {
  row.guesses.clear();
  for (int before = row.before, last = row.piece; static_cast<int>(row.guesses.size()) < most;) {
    const int next = network_->drafts().next(before, last);
    if (next < 0 || next >= decoding_.written || ruled_[static_cast<std::size_t>(next)]) return;
    row.guesses.push_back(next);
    before = last;
    last = next;
  }
}

std::vector<Step> Session::step(const std::map<int, std::vector<int>>& only) {
  for (const auto& [row, pieces] : only) check(pieces, decoding_.written, "an id is asked for that may not be chosen");
  if (rows_.empty()) return {};
  const int most = kTogether / static_cast<int>(rows_.size()) - 1;
  std::vector<Network::Row> asked;
  for (Row& row : rows_) {
    const bool free = only.count(row.number) == 0;
    guess(row, free ? std::min(most, decoding_.limit - row.written - 1) : 0);
    asked.push_back({row.piece, row.written, &row.self, &row.cross});
    for (std::size_t n = 0; n < row.guesses.size(); ++n)
      asked.push_back({row.guesses[n], row.written + 1 + static_cast<int>(n), &row.self, &row.cross});
  }
  const std::lock_guard<std::mutex> lock(network_->turn());
  const int count = decoding_.written;
  const std::size_t stride = Network::logits_stride(count);
  network_->decode(asked, count, logits_);
  const Kernels& kernels = network_->kernels();
  std::vector<int> chosen(asked.size());
  std::size_t v = 0;
  for (Row& row : rows_) {
    const auto found = only.find(row.number);
    bool right = true;  // so far its guesses are what was chosen, so a draw is due
    for (std::size_t n = 0; n <= row.guesses.size(); ++n, ++v) {
      float* logits = logits_.data() + v * stride;
      if (found != only.end()) {
        keep(found->second, logits, count);
      } else {
        for (const int piece : row.withheld) logits[piece] = kNever;
      }
      if (decoding_.temperature > 0 && right) {
        chosen[v] = draw(row, logits);  // takes memory, which on another thread must not fail
        right = n < row.guesses.size() && chosen[v] == row.guesses[n];
      }
    }
  }
  std::vector<double> log_probs(asked.size());
  network_->each(asked.size(), stride, [&](std::size_t each) {
    const float* logits = logits_.data() + each * stride;
    const float top = kernels.highest(logits, count);
    if (decoding_.temperature <= 0) chosen[each] = first(logits, count, top);
    log_probs[each] = logits[chosen[each]] - top - std::log(kernels.sum_of_exponentials(logits, count, top));
  });
  std::vector<Step> steps;
  v = 0;
  for (Row& row : rows_) {
    const std::size_t begin = v;
    v += row.guesses.size() + 1;
    for (std::size_t n = 0; n <= row.guesses.size(); ++n) {
      row.before = row.piece;
      row.piece = chosen[begin + n];
      ++row.written;
      steps.push_back({row.number, row.piece, log_probs[begin + n]});
      if (n < row.guesses.size() && row.piece != row.guesses[n]) break;
    }
    for (KeysValues& memory : row.self) memory.shrink(row.written);
  }
  const auto finished = [this](const Row& row) { return row.piece == decoding_.end || row.written >= decoding_.limit; };
  rows_.erase(std::remove_if(rows_.begin(), rows_.end(), finished), rows_.end());
  return steps;
}

int Session::draw(Row& row, const float* logits) const {
  const int among = std::clamp(decoding_.top_k, 1, decoding_.written);
  std::vector<int> likeliest(static_cast<std::size_t>(decoding_.written));
  std::iota(likeliest.begin(), likeliest.end(), 0);
  const auto sooner = [logits](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::partial_sort(likeliest.begin(), likeliest.begin() + among, likeliest.end(), sooner);
  std::vector<double> weights;
  double total = 0;
  for (int n = 0; n < among; ++n) {
    const double score = static_cast<double>(logits[likeliest[static_cast<std::size_t>(n)]]) - static_cast<double>(logits[likeliest[0]]);
    total += std::exp(score / decoding_.temperature);
    weights.push_back(total);
  }
  // SplitMix64 (Steele, Lea and Flood, 2014), as in sampling.py.
  std::uint64_t mixed = row.state += 0x9E3779B97F4A7C15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
  const double uniform = static_cast<double>((mixed ^ (mixed >> 31)) >> 11) / 9007199254740992.0;
  const auto place = std::upper_bound(weights.begin(), weights.end(), uniform * total) - weights.begin();
  return likeliest[static_cast<std::size_t>(std::min<std::ptrdiff_t>(place, among - 1))];
}

}  // namespace promptopt
