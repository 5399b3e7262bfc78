// expect: the argument at 'Position' \(from 0\) of this remote call is a 'Given'
// expect: CheckArgument<1, const char \(&\)\[6\], int>
#include "mobula/mobula.h"

int Add(int a, int b) { return a + b; }

int main() { return mobula::Get(mobula::Remote<Add>(3, "three")); }
