// expect: use mobula::Actor for members
#include "mobula/mobula.h"

struct Counter {
  int Add(int x) { return x; }
};

int main() { mobula::Remote<&Counter::Add>(3); }
