// expect: a remote function cannot change its caller's variables
#include "mobula/mobula.h"

void Increment(int& x) { ++x; }

int main() { mobula::Remote<Increment>(3); }
