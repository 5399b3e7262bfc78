// expect-errors: 0
#include "mobula/mobula.h"

int Square(int x) { return x * x; }

int main() { return mobula::Get(mobula::Remote<Square>(mobula::Remote<Square>(3))); }
