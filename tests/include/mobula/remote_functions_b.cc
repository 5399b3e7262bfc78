#include "tests/include/mobula/remote_functions.h"

namespace mobula::testing {
namespace {

int Hidden(int x) { return x + 20; }

}  // namespace

ObjectRef<int> CallHiddenOfB(int x) { return Remote<Hidden>(x); }
ObjectRef<int> CallLambdaOfB(int x) {
  return Remote<[](int y) { return y * 20; }>(x);
}

}  // namespace mobula::testing
