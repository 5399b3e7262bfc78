#include "tests/include/mobula/remote_functions.h"

namespace mobula::testing {
namespace {

int Hidden(int x) { return x + 10; }

}  // namespace

ObjectRef<int> CallHiddenOfA(int x) { return Remote<Hidden>(x); }
ObjectRef<int> CallLambdaOfA(int x) {
  return Remote<[](int y) { return y * 10; }>(x);
}
ObjectRef<int> CallSharedOfA(int x) { return CallShared(x); }

}  // namespace mobula::testing
