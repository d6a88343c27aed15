// make_corpus GOLDEN OUT: writes the seeds of every target into OUT/<target>/, which are emptied first.
#include <iostream>
#include <map>

#include "tests/fuzz/seeds.h"
#include "tests/fuzz/targets.h"
#include "tests/support/file_bytes.h"

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
    joulespool::test::write_file(out / seed.target / seed.name, seed.bytes);
    ++counts[seed.target];
  }
  for (const Target& target : targets())
    if (counts[std::string(target.name)] == 0) {
      std::cerr << target.name << " has no seeds\n";
      return 1;
    }
  return 0;
}
