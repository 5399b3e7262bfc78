// \edge: talks to people
//
// The compiled part of Boost.JSON, of which Debian's headers are enough.
#include <boost/json/src.hpp>
