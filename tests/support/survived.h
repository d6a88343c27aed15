// What a survival test reports: one line on standard output that `./dev bench survive` makes its table of.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

namespace joulespool::test {

// `done` trials of `planned` were made. `samples` were confirmed as stored before them, all trials added up; of these
// `unaccounted` are neither in an intact frame nor known to be lost.
struct Survived {
  std::string what;
  uint64_t done = 0, planned = 0;
  uint64_t samples = 0, unaccounted = 0;
  std::string detail = {};  // for people
};

inline void report(const Survived& survived) {
  std::cout << "survived: " << survived.what << "; " << survived.done << " of " << survived.planned << "; " << survived.samples
            << " samples, unaccounted " << survived.unaccounted << "; " << survived.detail << std::endl;
}

// A trial of something broken on purpose. If `unaccounted` is 0, the test that should have seen it cannot fail.
struct Canary {
  std::string what;
  uint64_t seen = 0, tried = 0;
  uint64_t unaccounted = 0;
};

inline void report(const Canary& canary) {
  std::cout << "canary: " << canary.what << "; seen " << canary.seen << " of " << canary.tried << "; unaccounted "
            << canary.unaccounted << std::endl;
}

// How often, from the environment.
inline uint64_t wanted(const char* variable, uint64_t usual) {
  const char* const given = std::getenv(variable);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : usual;
}

}  // namespace joulespool::test
