#include <mobula/mobula.h>

#include <cstdio>

int Square(int x) { return x * x; }

int main(int argc, char** argv) {
  mobula::Init(argc, argv, {.mode = mobula::Mode::kEmbedded, .num_cpus = 2});
  const auto nine = mobula::Remote<Square>(3);
  const int result = mobula::Get(mobula::Remote<Square>(nine));
  std::printf("%d\n", result);
  mobula::Shutdown();
  return result == 81 ? 0 : 1;
}
