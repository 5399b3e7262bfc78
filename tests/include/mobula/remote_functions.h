/// \file
/// \brief Functions of equal printed names in two files, for remote_test.cc.
#pragma once

#include "mobula/remote.h"

namespace mobula::testing {

ObjectRef<int> CallHiddenOfA(int x);  ///< `{anonymous}::Hidden` of remote_functions_a.cc.
ObjectRef<int> CallHiddenOfB(int x);  ///< `{anonymous}::Hidden` of remote_functions_b.cc.
ObjectRef<int> CallLambdaOfA(int x);
ObjectRef<int> CallLambdaOfB(int x);

inline int Shared(int x) { return x + 1000; }
inline ObjectRef<int> CallShared(int x) { return Remote<Shared>(x); }
ObjectRef<int> CallSharedOfA(int x);

}  // namespace mobula::testing
