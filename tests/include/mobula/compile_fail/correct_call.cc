// expect-errors: 0
// never-includes: asio|protobuf|yaml|spdlog|iostream
#include "mobula/mobula.h"

int Square(int x) { return x * x; }

int main() { return mobula::Get(mobula::Remote<Square>(mobula::Remote<Square>(3))); }
