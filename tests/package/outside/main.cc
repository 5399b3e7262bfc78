#include <mobula/mobula.h>

#include <cstdio>

int main() {
  const mobula::Error error(mobula::ErrorCode::kTaskFailed, "Square: too large");
  std::puts(mobula::TaskError(error).what());
}
