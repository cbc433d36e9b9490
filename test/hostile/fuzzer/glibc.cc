// What the fuzzer's binary wants of glibc 2.38 and of GCC 13's libstdc++, for systems that have older ones.
#include <cstdlib>
#include <iostream>

extern "C" {
long __isoc23_strtol(const char* text, char** end, int base) { return strtol(text, end, base); }
unsigned long __isoc23_strtoul(const char* text, char** end, int base) { return strtoul(text, end, base); }
}

namespace std {
// <iostream> above initializes the streams.
void ios_base_library_init() {}
}  // namespace std
