// expect: values of this type 'T' cannot be sent to a task
// expect: with T = int\*
#include "mobula/mobula.h"

struct Holder {
  std::vector<int*> pointers;
};

int main() { static_cast<void>(mobula::Put(Holder())); }
