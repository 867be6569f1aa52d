// The inner loops, in one version for each kind of processor; chosen once, at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace promptopt {

constexpr int kPanel = 64;  // rows of a matrix that are computed side by side, and positions in a block of keys

enum class Kind { float32, float16, int8 };

// A matrix as the model file keeps it (modelfile.py): panels of 64 rows, int8 in groups of four columns, the others column by column.
struct Matrix {
  Kind kind = Kind::float32;
  const void* data = nullptr;
  const float* scales = nullptr;        // int8: of each row
  const std::int32_t* sums = nullptr;   // int8: sum of each row
  int rows = 0;
  int columns = 0;
  int panels() const { return (rows + kPanel - 1) / kPanel; }
  int padded_rows() const { return panels() * kPanel; }
  int quads() const { return (columns + 3) / 4; }
  bool quantized() const { return kind == Kind::int8; }
  // The largest activation whose products with a whole row of weights surely fit into 32 bits.
  int reach() const {
    const std::int64_t most = 0x7fffffffLL / (127LL * 4 * quads());
    return most < 32767 ? static_cast<int>(most) : 32767;
  }
  // Bytes of one packed activation vector; two for each column, whatever the kernel.
  std::size_t packed_size() const { return (static_cast<std::size_t>(8) * quads() + 63) / 64 * 64; }
};

// A float16 as float32: its bits in the places of the wider form, times the power of two by which the two count exponents differently.
inline float widened(std::uint16_t half) {
  const std::uint32_t bits = (half & 0x7fffu) << 13;
  float magnitude;
  std::memcpy(&magnitude, &bits, 4);
  magnitude *= 5.192296858534828e33f;
  return half & 0x8000u ? -magnitude : magnitude;
}

// What is added to the scores of one head: `table` holds a value for each position relative to the query, from -distance to width - 1 - distance.
struct Bias {
  const float* table = nullptr;
  int distance = 0;
  int width = 0;
  int query = 0;
};

// Keys of one head: blocks of 64 positions, in each [channel][position]. Values: [position][channel].
struct Head {
  const float* keys;
  std::size_t block_stride;
  const float* values;
  std::size_t value_stride;
  int count;
  int channels;
};

enum class Activation { relu, gelu, gelu_tanh };

struct Kernels {
  const char* name;
  // Rounds x to whole numbers of at most `reach`, packed as multiply_int8 wants them; returns what one unit stands for.
  float (*pack)(const float* x, int columns, int reach, std::uint8_t* packed);
  // out[v * stride + row] = or += (matrix x_v)[row] for `count` vectors and the panels from `begin` to `end`.
  void (*multiply_int8)(const Matrix&, const std::uint8_t* packed, const float* units, int count, int begin, int end, bool add, float* out,
                        std::size_t stride);
  // The same for float32 and float16.
  void (*multiply_float)(const Matrix&, const float* x, std::size_t x_stride, int count, int begin, int end, bool add, float* out,
                         std::size_t stride);
  // out = softmax(query . keys + bias) . values; `scores` has room for count, rounded up to whole blocks.
  void (*attend)(const float* query, const Head&, const Bias&, float* scores, float* out);
  void (*normalize)(const float* x, const float* weight, int count, float epsilon, float* out);
  // out = activation(x[:count]), times x[count:] where `gated`.
  void (*activate)(Activation, bool gated, const float* x, int count, float* out);
  float (*highest)(const float* x, int count);
  double (*sum_of_exponentials)(const float* x, int count, float highest);
};

// The kernels with this name, the best ones that this processor runs for an empty name; null where it does not run them.
const Kernels* find_kernels(const char* name);

// The n-th kernels that this processor runs, the best first; null behind the last.
const Kernels* available_kernels(int n);

}  // namespace promptopt
