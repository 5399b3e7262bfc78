// expect: values of this type 'T' cannot be received by a task or by Get
// expect: with T = std::basic_string_view<char>
#include "mobula/mobula.h"

std::string_view Name() { return "name"; }

int main() { return static_cast<int>(mobula::Get(mobula::Remote<Name>()).size()); }
