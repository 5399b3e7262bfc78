// expect: CheckArgument<0, mobula::ObjectRef<std::.*string<char> >&?, int>
#include "mobula/mobula.h"

int Square(int x) { return x * x; }

int main() { return mobula::Get(mobula::Remote<Square>(mobula::Put(std::string("3")))); }
