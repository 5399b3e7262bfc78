// C = A * B in tiles: panels of A and B lie in the object store once, every tile is a task that
// reads its two panels where they lie.

#include <mobula/mobula.h>

#include <cmath>
#include <numeric>

#include "examples/options.h"

namespace {

using Numbers = mobula::Array<double>;

/// c += a * b for row-major blocks; `n` is the inner size. Loops ordered for the cache.
void Multiply(const double* a, const double* b, double* c, std::size_t rows, std::size_t n,
              std::size_t columns) {
  constexpr std::size_t kBlock = 64;
  for (std::size_t k0 = 0; k0 < n; k0 += kBlock) {
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t k = k0; k < std::min(k0 + kBlock, n); ++k) {
        const double factor = a[i * n + k];
        for (std::size_t j = 0; j < columns; ++j) c[i * columns + j] += factor * b[k * columns + j];
      }
    }
  }
}

/// One tile of C from a panel of rows of A and a panel of columns of B.
Numbers Tile(const Numbers& rows, const Numbers& columns, std::size_t n) {
  auto tile = Numbers::Make(rows.size() / n * (columns.size() / n));
  std::ranges::fill(tile, 0.0);
  Multiply(rows.data(), columns.data(), tile.data(), rows.size() / n, n, columns.size() / n);
  return std::move(tile).Share();
}

double Element(std::size_t i, std::size_t j, int salt) {
  return static_cast<double>((i * 31 + j * 17 + static_cast<std::size_t>(salt)) % 101) / 50.0 - 1.0;
}

/// Rows [begin, end) of A, or columns of B, as one panel.
Numbers Panel(std::size_t n, std::size_t begin, std::size_t end, bool is_row_panel) {
  auto panel = Numbers::Make(n * (end - begin));
  if (is_row_panel) {
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t j = 0; j < n; ++j) panel[(i - begin) * n + j] = Element(i, j, 1);
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = begin; j < end; ++j) {
        panel[i * (end - begin) + j - begin] = Element(i, j, 2);
      }
    }
  }
  return std::move(panel).Share();
}

/// Compares with C by its definition: the dot product of a row of A and a column of B, each made
/// here from `Element`. Shares neither the kernel nor the panels with what it checks.
double LargestDifference(const std::vector<mobula::ObjectRef<Numbers>>& tiles,
                         const std::vector<std::size_t>& bounds, std::size_t n) {
  const std::size_t panels = bounds.size() - 1;
  std::vector<double> columns(n * n);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < n; ++k) columns[j * n + k] = Element(k, j, 2);
  }
  std::vector<double> row(n);
  double worst = 0;
  for (std::size_t t = 0; t < tiles.size(); ++t) {
    const Numbers tile = mobula::Get(tiles[t]);
    const double* element = tile.data();
    for (std::size_t i = bounds[t / panels]; i < bounds[t / panels + 1]; ++i) {
      for (std::size_t k = 0; k < n; ++k) row[k] = Element(i, k, 1);
      for (std::size_t j = bounds[t % panels]; j < bounds[t % panels + 1]; ++j) {
        const double* column = columns.data() + j * n;
        const double direct = std::transform_reduce(row.begin(), row.end(), column, 0.0);
        const double difference = std::abs(*element++ - direct);
        if (!(difference <= worst)) worst = std::isnan(difference) ? HUGE_VAL : difference;
      }
    }
  }
  return worst;
}

int MultiplyAndVerify(int argc, char** argv) {
  const examples::Options options(argc, argv,
                                  {{"size", "1024"}, {"panels", "4"}, {"verify", "full"}},
                                  "matmul [--size 1024] [--panels 4] [--verify full|none]\n"
                                  "size n: three arrays of 8*n*n bytes; 4096 makes 128 MB each\n");
  const auto n = static_cast<std::size_t>(options.Number("size", 1, 32'768));
  const auto panels = std::min(n, static_cast<std::size_t>(options.Number("panels", 1, 256)));
  const examples::Stopwatch whole;
  mobula::Init(argc, argv);
  const double joined = whole.Seconds();

  std::vector<std::size_t> bounds;
  for (std::size_t i = 0; i <= panels; ++i) bounds.push_back(n * i / panels);
  std::vector<mobula::ObjectRef<Numbers>> rows;
  std::vector<mobula::ObjectRef<Numbers>> columns;
  for (std::size_t i = 0; i < panels; ++i) {
    rows.push_back(mobula::Put(Panel(n, bounds[i], bounds[i + 1], true)));
    columns.push_back(mobula::Put(Panel(n, bounds[i], bounds[i + 1], false)));
  }
  const double stored = whole.Seconds();
  std::vector<mobula::ObjectRef<Numbers>> tiles;
  for (std::size_t i = 0; i < panels; ++i) {
    for (std::size_t j = 0; j < panels; ++j) {
      tiles.push_back(mobula::Remote<Tile>(rows[i], columns[j], n));
    }
  }
  for (std::size_t done = 1; done <= tiles.size(); ++done) {
    (void)mobula::Wait(tiles, done);
    examples::Progress("matmul", done, tiles.size(), "tiles");
  }
  const double computed = whole.Seconds();

  double worst = 0;
  if (options.Text("verify") == "full") {
    worst = LargestDifference(tiles, bounds, n);
    std::printf("largest difference from the direct product: %g\n", worst);
  }
  const double flops =
      2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  std::printf("%zu x %zu, %.0f MB an array, %zu tiles: %.2f GFLOP/s\n", n, n,
              static_cast<double>(n * n * 8) / 1e6, tiles.size(),
              flops / (computed - stored) / 1e9);
  std::printf("time: %.3f s to join, %.3f s to store, %.3f s to multiply, %.3f s to verify\n",
              joined, stored - joined, computed - stored, whole.Seconds() - computed);
  mobula::Shutdown();
  return worst < 1e-9 * static_cast<double>(n) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return examples::Run(MultiplyAndVerify, argc, argv); }
