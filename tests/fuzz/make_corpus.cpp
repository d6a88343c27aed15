// make_corpus GOLDEN OUT: writes the seeds of every target into OUT/<target>/, which are emptied first.
#include <fstream>
#include <iostream>
#include <map>

#include "tests/fuzz/seeds.h"
#include "tests/fuzz/targets.h"

int main(int argc, char** argv) {
  using namespace joulespool::fuzz;
  if (argc != 3) {
    std::cerr << "make_corpus GOLDEN OUT\n";
    return 2;
  }
  const std::filesystem::path out = argv[2];
  std::map<std::string, size_t> counts;
  for (const Target& target : targets()) {
    std::filesystem::remove_all(out / target.name);
    std::filesystem::create_directories(out / target.name);
  }
  for (const Seed& seed : make_seeds(argv[1])) {
    std::ofstream file(out / seed.target / seed.name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.bytes.data()), static_cast<std::streamsize>(seed.bytes.size()));
    if (!file.flush()) return 1;
    ++counts[seed.target];
  }
  for (const Target& target : targets())
    if (counts[std::string(target.name)] == 0) {
      std::cerr << target.name << " has no seeds\n";
      return 1;
    }
  return 0;
}
