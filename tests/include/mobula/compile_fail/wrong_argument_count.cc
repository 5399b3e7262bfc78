// expect: this remote call has 'Given' arguments; the function takes 'Expected'
// expect: CheckCount<1, 2>
#include "mobula/mobula.h"

int Square(int x) { return x * x; }

int main() { return mobula::Get(mobula::Remote<Square>(3, 4)); }
