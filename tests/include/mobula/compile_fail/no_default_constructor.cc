// expect: it needs a default constructor
#include "mobula/mobula.h"

struct Money {
  explicit Money(int c) : cents(c) {}
  template <class A>
  void Serialize(A& archive) {
    archive(cents);
  }
  int cents;
};

int main() { return mobula::Get(mobula::Put(Money(3))).cents; }
