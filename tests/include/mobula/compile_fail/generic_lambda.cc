// expect: Remote<F> wants a function or a captureless lambda with one signature
#include "mobula/mobula.h"

int main() {
  mobula::Remote<[](auto x) { return x; }>(3);
}
